"""log p(x, z) of a model as a function of unconstrained latents, many chains at once.

    log p(x, z(u)) + log|dz/du|,   z = T(u), T the bijection onto each latent's support,

so that a sampler moves a single tensor u. Finite discrete latents are summed out.
"""

from functools import cached_property
from typing import Any, NamedTuple

import torch
from pyro import poutine
from pyro.distributions import Unit
from pyro.poutine.runtime import Message
from torch import Tensor

from zoo.device import device_of
from zoo.handlers.particles import particles
from zoo.latents import Kind, Latents, Model
from zoo.latents.enumeration import joint_states
from zoo.program import Program
from zoo.sampling.importance_weights import independent_rows, row_count, take_rows
from zoo.sampling.simulated import Simulated
from zoo.sampling.unconstrained import Bijected, Columns, to_unconstrained
from zoo.sites.supports import SUMMED, unmixed
from zoo.traces import Assign, add_up, row_scale, sample_sites, sum_plates

MOST_STATES = 1024  # of discrete latents, at each step of a chain


class Ends(NamedTuple):
    """Log densities at the two ends of an annealing path, nats, each (chains, rows).

    Attributes:
        base: the density that annealing starts from: the prior log p(u), or a guide's log q(u).
        target: the joint density log p(x, u).
    """

    base: Tensor
    target: Tensor


class JointDensity:
    """The log joint density of a program's model, as a function of unconstrained latents u.

    Use it inside :func:`zoo.isolation.isolated`, with the program in eval mode.

    Args:
        program: whose model to score, with its parameters as they are.
        args: arguments of the model, on its device.
        picked: indices of the data rows, shape (rows,); None for all, as it must be where rows
            share a latent.
        observed: observed site -> values that replace the data, shape
            (datasets, *plates, *event); chain c is given data set c // (chains / datasets).

    Attributes:
        columns: which columns of u belong to which site.
        states: joint states of the discrete latents that are summed out; 1 if there are none.

    Raises:
        ValueError: if the model has no such density, or it cannot be computed; names the latent.
    """

    def __init__(
        self,
        program: Program,
        args: tuple,
        picked: Tensor | None = None,
        observed: dict[str, Tensor] | None = None,
    ) -> None:
        latents = program.latents
        _check(latents)
        self.program, self.latents, self.observed = program, latents, observed or {}
        self.all_args = args
        given = row_count(program, args)
        self.total = independent_rows(program, args)
        every = torch.arange(given, device=device_of(args))
        self.picked = every if picked is None else picked
        self.args = take_rows(program, args, self.picked, given)
        plate = latents.row_plate.size if latents.row_plate is not None else 1
        sites = tuple(site for site in latents.sites if site.kind is Kind.CONTINUOUS)
        self.columns = Columns(latents, sites, len(self.picked) if latents.row_args else plate)
        discrete = [site for site in latents.sites if site.kind in SUMMED]
        self.state_values: dict[str, Tensor] = {}
        if discrete:
            self.state_values = joint_states(discrete, latents, device=device_of(args))
        self.by_row = latents.rowwise or (bool(discrete) and all(s.local for s in discrete))
        self.states = max([1, *map(len, self.state_values.values())])
        if self.states > MOST_STATES and sites:
            raise ValueError(
                f"Summing out {[s.name for s in discrete]} takes {self.states} states at every "
                f"step of a chain; the limit is {MOST_STATES}. Use iwae_K with a guide for them."
            )

    @property
    def size(self) -> int:
        """Number of unconstrained numbers of a row: the last dimension of u."""
        return sum(self.columns.sizes)

    @property
    def rows(self) -> int:
        """Number of rows of u."""
        return self.columns.rows

    def __call__(self, u: Tensor) -> Ends:
        """Log prior and log joint, with log|dz/du|; u (chains, rows, size)."""
        count = len(u) * self.states
        values = {
            name: part.repeat_interleave(self.states, 0)
            for name, part in self.columns.unpack(u).items()
        }
        fixed = {
            name: value.repeat_interleave(count // len(value), 0)
            for name, value in self.observed.items()
        }
        for name, value in self.state_values.items():
            fixed[name] = value.repeat(len(u), *(1 for _ in value.shape[1:]))
        if self.latents.vectorises:
            return self._sum_states(self._score(values, fixed, count), len(u))
        each = [self._score(self._one(values, i), self._one(fixed, i), 0) for i in range(count)]
        return self._sum_states([torch.cat(column) for column in zip(*each, strict=True)], len(u))

    @torch.no_grad()
    def values(self, u: Tensor) -> dict[str, Tensor]:
        """The latents at u, in the model's own space: site -> (chains, *plates, *event)."""
        with Bijected(self.columns.unpack(u)):
            sites = self._run(self.program.model, len(u))
        names = {site.name for site in self.columns.sites}
        return {str(site["name"]): site["value"] for site in sites if site["name"] in names}  # type: ignore[misc]

    @torch.no_grad()
    def draw(self, chains: int) -> Tensor:
        """Draws u from the prior, shape (chains, rows, size)."""
        return self.simulate(chains)[0]

    @torch.no_grad()
    def simulate(self, count: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Draws of latents and data from the model; factors are left out.

        Returns:
            u, shape (count, rows, size), and observed site -> data, shape (count, ...).
        """
        wide = count if self.latents.vectorises else 1
        drawn = [self._simulate(wide) for _ in range(count // wide)]
        us, data = zip(*drawn, strict=True)
        return torch.cat(us), {name: torch.cat([one[name] for one in data]) for name in data[0]}

    @cached_property
    def factors(self) -> list[str]:
        """Names of observed sites that are factors and not data."""
        sites = self._run(self.program.model, 0)
        return [str(site["name"]) for site in sites if isinstance(site["fn"], Unit)]

    @cached_property
    def width(self) -> int:
        """Numbers in the values of the largest site of one run, at u = 0."""
        wide = self.latents.vectorises
        origin = torch.zeros(1, self.rows, self.size, device=self.picked.device)
        values = self.columns.unpack(origin)
        with torch.no_grad(), Bijected(values if wide else self._one(values, 0)):
            sites = self._run(self.program.model, 1 if wide else 0)
        return max((site["value"].numel() for site in sites), default=1)  # type: ignore[union-attr]

    def on(self, observed: dict[str, Tensor]) -> "JointDensity":
        """The density of the same rows given other data; see the argument `observed`.

        Raises:
            ValueError: if the model has a factor, from which no data can be drawn.
        """
        if self.factors:
            raise ValueError(
                f"No data can be simulated from the factor '{self.factors[0]}'. Write it as a "
                "pyro.sample site with obs, or use ais."
            )
        return JointDensity(self.program, self.all_args, self.picked, observed)

    def _simulate(self, count: int) -> tuple[Tensor, dict[str, Tensor]]:
        wide = self.latents.vectorises
        with Simulated():
            sites = self._run(self.program.model, count if wide else 0)
        found: dict[str, Any] = {str(site["name"]): site for site in sites}
        values = {name: site["value"] for name, site in found.items()}
        supports = {
            site.name: unmixed(found[site.name]["fn"].support) for site in self.columns.sites
        }
        u = self.columns.pack(to_unconstrained(values, supports), count)
        data = {n: values[n] for n in self.latents.observed if n not in self.factors}
        return u, data if wide else {n: v.unsqueeze(0) for n, v in data.items()}

    def _score(
        self, values: dict[str, Tensor], fixed: dict[str, Tensor], count: int
    ) -> list[Tensor]:
        """Four log-probabilities: of latents and of data inside the row plate, then outside it.

        The first two have shape (particles, rows), the last two (particles, 1).
        """
        with Bijected(values) as bijected, Assign(fixed):
            sites = self._run(self.program.model, count)
        sums: dict[tuple[bool, bool], list[Tensor]] = {
            (outside, data): [] for outside in (False, True) for data in (False, True)
        }
        plate = self.latents.row_plate if self.latents.rowwise else None
        for site in sites:
            inside = self.by_row and _in_rows(site, self.latents)
            term = site["log_prob"] / (row_scale(site, plate) if inside else 1.0)
            term = term + bijected.log_det.get(str(site["name"]), 0.0)
            term = sum_plates(term, site, self.latents, keep_rows=inside)
            sums[not inside, site["is_observed"]].append(term)
        return [
            add_up(terms).expand(max(count, 1), 1 if outside else self.columns.held)
            for (outside, _), terms in sums.items()
        ]

    def _sum_states(self, sums: list[Tensor], chains: int) -> Ends:
        prior, data, prior_outside, data_outside = (
            part.unflatten(0, (chains, self.states)) for part in sums
        )
        if not self.by_row:
            joint = prior_outside + data_outside
            return Ends(prior_outside.logsumexp(1), joint.logsumexp(1))
        base, target = prior.logsumexp(1), (prior + data).logsumexp(1)
        outside = prior_outside[:, 0], prior_outside[:, 0] + data_outside[:, 0]
        if self.latents.rowwise:
            return Ends(base, target + outside[1] / self.total)
        return Ends(
            base.sum(1, keepdim=True) + outside[0], target.sum(1, keepdim=True) + outside[1]
        )

    def _run(self, model: Model, count: int) -> list[Message]:
        """The sample sites of one run with `count` particles; 0 runs the model unchanged."""
        wide = particles(model, count, self.latents.nesting) if count else model
        rows = self.picked if self.latents.row_args else None
        with self.program.handlers(rows):
            trace = poutine.trace(wide).get_trace(*self.args, **self.program.kwargs)
        trace = poutine.util.prune_subsample_sites(trace)
        trace.compute_log_prob()
        return sample_sites(trace)

    def _one(self, values: dict[str, Tensor], i: int) -> dict[str, Tensor]:
        """The values of one particle, without the plates in which their sites do not lie."""
        extra = {s.name: self.latents.nesting - len(s.batch_shape) for s in self.latents.sites}
        return {n: v[i].reshape(v.shape[1 + extra.get(n, 0) :]) for n, v in values.items()}


def _in_rows(site: Message, latents: Latents) -> bool:
    plate = latents.row_plate
    return plate is not None and plate.name in {f.name for f in site["cond_indep_stack"]}


def _check(latents: Latents) -> None:
    """Raises ValueError for a model without such a density, or where it cannot be computed."""
    if latents.energy_units:
        raise ValueError(
            "The model has an energy: its prior is not normalised and has no exact draws, from "
            "which annealing could start. log_evidence is had by annealing the energy itself."
        )
    for site in latents.sites:
        if site.kind not in (Kind.CONTINUOUS, *SUMMED):
            raise ValueError(
                f"Annealing moves latents in unconstrained space; '{site.name}' has support "
                f"{site.support}, which no bijection reaches. Use iwae_K with a guide for it."
            )
    discrete = [site for site in latents.sites if site.kind in SUMMED]
    if len({site.local for site in discrete}) > 1:
        raise ValueError(
            f"Summing out {[site.name for site in discrete]} takes all rows' states jointly, "
            "because some are shared by rows and some are not. Use iwae_K with a guide for them."
        )
    if latents.drawn_plates:
        raise ValueError(
            f"The model draws a part of plate '{latents.drawn_plates[0]}' by itself, so its "
            "density is random. Pass the rows as an argument, or give the plate all its elements."
        )
