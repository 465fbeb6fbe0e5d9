"""A whole run of the no-U-turn sampler: warm-up in windows, then draws with all settings fixed."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.fx import GraphModule

from zoo.compile.compile_error import CompileError
from zoo.compile.step_loop import quiet
from zoo.nuts.block import FACTS, Block, Inputs, Kept, compiled_block, plain_block
from zoo.nuts.chains import Chains, Point, StepSizes, begin
from zoo.nuts.first_step import first_step
from zoo.nuts.metric import WIDEST_DENSE, scale_of, to_q, to_u, unit_scale, whitened, windows
from zoo.nuts.step_size import fresh_sizes, settled
from zoo.nuts.tree import Density, Settings
from zoo.torch_private import tree_map

MOST_DEPTH = 10
STEPS_AT_ONCE = 1024  # leapfrog steps in one call of a block
NUMBERS_KEPT = 4096  # of the draws of a block: every step copies them
FEWEST, MOST = 8, 100  # draws of each chain in a block
Report = Callable[[str], object]


class Plan(NamedTuple):
    """How long to run and how.

    Attributes:
        draws: of each chain.
        warmup: trajectories of each chain before them.
        accept: target mean acceptance.
        most_depth: a trajectory has at most 2^most_depth leaves.
        compiles: is the loop compiled, where the density is a traced graph?
    """

    draws: int
    warmup: int
    accept: float = 0.8
    most_depth: int = MOST_DEPTH
    compiles: bool = True


class Run(NamedTuple):
    """What a run has drawn.

    Attributes:
        u: draws, (chains, draws, d).
        acceptance: mean acceptance probability of each trajectory, (chains, draws).
        leaves: leapfrog steps of each trajectory, (chains, draws).
        diverged: did it end in a divergence? (chains, draws), bool.
        steps: step size of each chain, in whitened units, (chains,).
        scale: L of the metric; see :mod:`zoo.nuts.metric`.
    """

    u: Tensor
    acceptance: Tensor
    leaves: Tensor
    diverged: Tensor
    steps: Tensor
    scale: Tensor


def sample(density: Density, start: Tensor, plan: Plan, shown: Report | None = None) -> Run:
    """Draws from a density by the no-U-turn sampler, in float64, all chains at once.

    A density that is a traced graph runs as machine code, unless no compiler is there; any other
    is called once for each leapfrog step. Both give the same draws but for rounding. Run it inside
    :func:`zoo.isolation.isolated` and :func:`zoo.isolation.in_double`.

    Args:
        density: u (chains, d) -> log density (chains,) and gradient (chains, d).
        start: where the chains start, at finite densities, (chains, d).
        plan: of the run.
        shown: called with a line of text on the progress.
    """
    return _Sampler(density, start, plan, shown).run()


class _Sampler:
    """The chains of one run, from block to block."""

    def __init__(self, density: Density, start: Tensor, plan: Plan, shown: Report | None) -> None:
        self.density, self.plan, self.shown = density, plan, shown
        self.chains, self.size = start.shape
        self.dense = self.size <= WIDEST_DENSE
        self.scale = unit_scale(self.size, dense=self.dense)
        self.capacity = min(MOST, max(FEWEST, NUMBERS_KEPT // start.numel()))
        self.block = _block(density, plan)
        self.at, self.done = start, 0
        self.state: Chains

    @torch.no_grad()
    def run(self) -> Run:
        """Warms up, then draws."""
        self._restart(torch.ones(self.chains))
        for window in windows(self.plan.warmup):
            u, _ = self._draw(window.draws, adapts=True, stage="warm-up")
            if window.estimates:
                self._rescale(u)
        self.state = self.state._replace(sizes=settled(self.state.sizes))
        self.done = 0
        u, facts = self._draw(self.plan.draws, adapts=False, stage="draw")
        acceptance, leaves, diverged = facts.permute(1, 2, 0)
        steps = self.state.sizes.log_step.exp()
        return Run(u.transpose(0, 1), acceptance, leaves, diverged > 0, steps, self.scale)

    def _rescale(self, u: Tensor) -> None:
        """Estimates the metric from draws (n, chains, d), and starts all chains anew under it."""
        self.at = to_u(self.state.draw, self.scale)
        self.scale = scale_of(u.flatten(0, 1), dense=self.dense)
        self._restart(self.state.sizes.log_mean.exp())

    def _restart(self, steps: Tensor) -> None:
        density, q = whitened(self.density, self.scale), to_q(self.at, self.scale)
        at = Point(q, *density(q))
        self.state = self._begun(at, fresh_sizes(first_step(at, density, steps)))

    def _begun(self, at: Point, sizes: StepSizes) -> Chains:
        momenta = torch.randn(self.chains, self.size)
        direction = torch.where(torch.rand(self.chains) < 0.5, -1.0, 1.0)
        levels = max(1, self.plan.most_depth - 1)
        state = begin(at, momenta, direction, levels, sizes)
        return tree_map(torch.clone, state)  # a loop takes no tensor twice

    def _draw(self, count: int, *, adapts: bool, stage: str) -> tuple[Tensor, Tensor]:
        """Draws u (count, chains, d) and facts (count, 3, chains) of the next trajectories."""
        us, facts = [], []
        while count > 0:
            wanted = min(count, self.capacity)
            kept = self._fill(wanted, adapts=adapts)
            us.append(to_u(kept.q[:wanted], self.scale))
            facts.append(kept.facts[:wanted])
            count, self.done = count - wanted, self.done + wanted
            self._tell(stage, facts[-1])
        return torch.cat(us), torch.cat(facts)

    def _fill(self, wanted: int, *, adapts: bool) -> Kept:
        shape = self.capacity, self.chains
        kept = Kept(torch.zeros(*shape, self.size), torch.zeros(self.capacity, FACTS, self.chains))
        settings = Settings(*map(torch.tensor, (self.plan.accept, float(adapts), float(wanted))))
        momenta = torch.randn(*shape, self.size)
        self.state = self.state._replace(done=torch.zeros(self.chains))
        while bool((self.state.done < wanted).any()):
            uniform = torch.rand(STEPS_AT_ONCE, FACTS, self.chains)
            inputs = Inputs(uniform, momenta, self.scale, settings)
            self.state, kept = self.block(self.state, kept, inputs)
        return kept

    def _tell(self, stage: str, facts: Tensor) -> None:
        if self.shown is not None:
            of = self.plan.warmup if stage == "warm-up" else self.plan.draws
            leaves = float(facts[:, 1].mean())
            self.shown(f"{stage} {self.done} of {of}, {leaves:.0f} leapfrog steps each")


def _block(density: Density, plan: Plan) -> Block:
    """The compiled block of a graph; it becomes the plain one where it cannot be compiled."""
    plain = plain_block(density, plan.most_depth)
    if not (plan.compiles and isinstance(density, GraphModule)):
        return plain
    current: list[Block] = [compiled_block(density, plan.most_depth)]

    def run(chains: Chains, kept: Kept, inputs: Inputs) -> tuple[Chains, Kept]:
        try:
            with quiet():
                return current[0](chains, kept, inputs)
        except CompileError as error:
            reason = str(error).splitlines()[0]
            warnings.warn(f"The chains run without compiled code, slowly: {reason}", stacklevel=2)
            current[0] = plain
            return plain(chains, kept, inputs)

    return run
