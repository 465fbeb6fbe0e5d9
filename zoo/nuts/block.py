"""Blocks of draws: leapfrog steps of all chains in one compiled loop, or one after another."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.fx import GraphModule

from zoo.compile.code_cache import Packaged
from zoo.compile.loop_key import graph_key
from zoo.compile.scans.loop import with_loops
from zoo.compile.step_loop import on_one_thread
from zoo.nuts.chains import Chains, StepSizes
from zoo.nuts.metric import whitened
from zoo.nuts.tree import Density, Draws, Randomness, Settings, take_step
from zoo.torch_private import tree_leaves, tree_map, while_loop

FACTS = 3


class Kept(NamedTuple):
    """The draws of a block so far.

    Attributes:
        q: (block, chains, d).
        facts: mean acceptance, leaves, and whether it diverged, (block, 3, chains).
    """

    q: Tensor
    facts: Tensor


class Inputs(NamedTuple):
    """What stays the same in a block.

    Attributes:
        uniform: for each step, (steps, 3, chains).
        momenta: for each draw, (block, chains, d).
        scale: L of the metric, see :mod:`zoo.nuts.metric`.
        settings: of the steps.
    """

    uniform: Tensor
    momenta: Tensor
    scale: Tensor
    settings: Settings


Block = Callable[[Chains, Kept, Inputs], tuple[Chains, Kept]]


def plain_block(density: Density, most_depth: int) -> Block:
    """A block whose steps are taken one after another, for any density."""

    @torch.no_grad()
    def run(chains: Chains, kept: Kept, inputs: Inputs) -> tuple[Chains, Kept]:
        own = whitened(density, inputs.scale)
        for uniform in inputs.uniform:
            if bool((chains.done >= inputs.settings.wanted).all()):
                break
            random = Randomness(uniform, inputs.momenta)
            chains, found = take_step(chains, own, random, inputs.settings, most_depth)
            kept = _with(kept, found)
        return chains, kept

    return run


def compiled_block(density: GraphModule, most_depth: int) -> Block:
    """The same as machine code: one call for all steps, kept on disk for later processes.

    Raises:
        CompileError: at the first call, if there is no compiler or it fails.
    """
    options = {"cpp.threads": 1, "force_pointwise_cat": True}

    def key() -> str:
        return "\n".join([graph_key(density), _source(), str(most_depth)])

    code = Packaged(lambda: _loop(with_loops(density), most_depth), key, _returned, options)
    return on_one_thread(code, pool=True)


def _loop(density: Density, most_depth: int) -> Block:
    """The block as one loop; what does not change is closed over, since a loop copies the rest."""

    def run(chains: Chains, kept: Kept, inputs: Inputs) -> tuple[Chains, Kept]:
        own, settings = whitened(density, inputs.scale), inputs.settings

        def more(clock: Tensor, going: Tensor, *_: Tensor) -> Tensor:
            return (clock < len(inputs.uniform)) & going

        def body(clock: Tensor, going: Tensor, *tensors: Tensor) -> tuple[Tensor, ...]:
            before, kept_so_far = _unpacked(tensors)
            uniform = inputs.uniform.index_select(0, clock.reshape(1))[0]
            random = Randomness(uniform, inputs.momenta)
            after, found = take_step(before, own, random, settings, most_depth)
            kept_now = _with(kept_so_far, found)
            return clock + 1, (after.done < settings.wanted).any(), *_packed(after, kept_now)

        clock = torch.zeros((), dtype=torch.int64)
        going = (chains.done < settings.wanted).any()
        _, _, *end = while_loop(more, body, (clock, going, *_packed(chains, kept)))
        after, found = _unpacked(tuple(end))
        return tree_map(torch.clone, (after, found))

    run.__code__ = run.__code__.replace()  # the compiler gives up on a code object used 8 times
    return run


LEVELS = Chains._fields.index("starts")  # the first field that is neither a vector nor a number
NUMBERS = LEVELS + 3


def _packed(chains: Chains, kept: Kept) -> tuple[Tensor, ...]:
    """The few tensors that a loop carries, since each takes time."""
    leaves = tree_leaves(chains)
    packs = torch.stack(leaves[:LEVELS]), torch.stack(leaves[NUMBERS:])
    return *packs, *leaves[LEVELS:NUMBERS], *kept


def _unpacked(tensors: tuple[Tensor, ...]) -> tuple[Chains, Kept]:
    """Undoes :func:`_packed`."""
    leaves: list[Any] = [*tensors[0].unbind(), *tensors[2:5], *tensors[1].unbind()]
    count = len(Chains._fields) - 1
    chains = Chains._make([*leaves[:count], StepSizes(*leaves[count:])])
    return chains, Kept(*tensors[5:])


def _with(kept: Kept, found: Draws) -> Kept:
    """The block with the draws of the chains that have finished one."""
    places = torch.arange(len(kept.q), device=found.q.device)[:, None]
    here = (found.finished & (places == found.place))[..., None]
    facts = torch.where(here.mT, found.facts, kept.facts)
    return Kept(torch.where(here, found.q, kept.q), facts)


def _returned(chains: Chains, kept: Kept, inputs: Inputs) -> tuple:
    """What a block returns, by its structure."""
    return chains, kept


@cache
def _source() -> str:
    """A hash of the code that is traced into a loop around the density."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
