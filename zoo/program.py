"""One SVI step as a module: every parameter, buffer and schedule of it in one place.

The plain loop runs it, a compiler can capture it, a checkpoint stores its state.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import torch
from pyro import poutine
from pyro.infer.autoguide import AutoGuide
from pyro.infer.autoguide.effect import AutoMessenger
from pyro.poutine.trace_struct import Trace
from torch import Tensor, nn

from zoo.checks.whereabouts import noted
from zoo.copies import copies, held_modules
from zoo.device import device_of
from zoo.handlers.discovery import Discovery, SetUp, outermost, reaching
from zoo.handlers.handlers import Handlers
from zoo.handlers.minibatch import Minibatch
from zoo.handlers.parameters import (
    StoreParameters,
    adopt,
    find_statements,
    in_eval_mode,
    reachable_modules,
    set_to,
    shares_memory,
    spread,
    unnamed_modules,
)
from zoo.handlers.particles import why_narrow
from zoo.handlers.prior import Feasible
from zoo.isolation import isolated
from zoo.latents import Family, Latents, Model
from zoo.objectives import Objective
from zoo.objectives.mean_field import drawn, in_order
from zoo.optim.schedules import Schedule
from zoo.pairing.covered import covered
from zoo.pairing.guide_input import check_precision
from zoo.pairing.latents_under import latents_under, narrowed
from zoo.pairing.mismatch import PairingError, check
from zoo.pairing.validation import Observed, checked_run, observed_arguments
from zoo.traces import Pair, Traces, as_guide, sample_sites


class Program(nn.Module):
    """A model, a guide and an objective as one module whose forward is the loss of one step.

    Build it with :func:`build`; the fields are then consistent.
    """

    def __init__(
        self,
        pair: Pair,
        objective: Objective,
        *,
        kl_weight: Schedule | None,
        kwargs: dict[str, object],
        store: StoreParameters,
        found: tuple[list[nn.Module], list[nn.Module]] = ([], []),
    ) -> None:
        """Holds what is passed.

        Args:
            pair: the model, the guide and the latents.
            objective: what to minimise.
            kl_weight: weight of the KL term at each step.
            kwargs: keyword arguments of the model.
            store: the param statements of model and guide.
            found: further modules that running the model and the guide has registered.
        """
        super().__init__()
        self.model, self.guide, self.latents = pair.model, pair.guide, pair.latents
        self.guided, self.marked = pair.guided, pair.marked
        self.objective, self.kl_weight, self.kwargs = objective, kl_weight, kwargs
        self.state = objective.state(pair.latents)
        self.store = store
        self.observed: tuple[Observed, ...] = ()
        self.model_statements: frozenset[str] = frozenset()
        self.found = tuple(outermost(parts, (pair.model, pair.guide)) for parts in found)
        reached = reachable_modules(pair.model) + reachable_modules(pair.guide)
        reached = reached + self.found[0] + self.found[1]
        self.reached = nn.ModuleList(outermost(reached, (pair.model, pair.guide)))

    @property
    def pair(self) -> Pair:
        """The model as the guide trains against it, and the guide."""
        model = self.guide.view(self.model) if isinstance(self.guide, Family) else self.model
        of_model, of_guide = self.found
        guide = reaching(as_guide(self.guide), of_guide)
        return Pair(reaching(model, of_model), guide, self.latents, self.guided, self.marked)

    def of_model(self) -> set[int]:
        """The ids of the model's own parameters: those of its modules and of its statements.

        Where model and guide are methods of one module, what only the guide registers is its own.
        """
        by_model, by_guide = (_ids(parts) for parts in self.found)
        own = _ids(reachable_modules(self.model)) | by_model
        if not isinstance(self.model, nn.Module):
            own -= by_guide - by_model
        named = zip(self.store.names, self.store.values, strict=True)
        return own | {id(value) for name, value in named if name in self.model_statements}

    @property
    def unnamed(self) -> list[nn.Parameter]:
        """Parameters of nets that a function refers to without naming them to Pyro: untrained."""
        loose = [unnamed_modules(fn) for fn in (self.model, self.guide)]
        parts = [self.store, self.state, *self.found[0], *self.found[1]]
        for fn, nets in zip((self.model, self.guide), loose, strict=True):
            parts += _outside(reachable_modules(fn), nets)
        trained = _ids(parts)
        own = {id(p): p for nets in loose for net in nets for p in net.parameters()}
        return [p for key, p in own.items() if key not in trained]

    def match_statements(self, names: tuple[str, ...], tensors: dict[str, Tensor]) -> None:
        """Holds the param statements of an earlier state, whose `tensors` a snapshot holds.

        Raises:
            ValueError: if those made at the start are not the same.
        """
        early = self.store.names[: self.store.early]
        if names[: len(early)] != early:
            raise ValueError(
                f"The state to go back to has the parameters {names}; this model and guide make "
                f"{early}. Pass the model and guide that were fitted."
            )
        if names == self.store.names:
            return
        values = [tensors[f"store.values.{i}"] for i in range(len(names))]
        self.store.match(names, values)

    def forward(self, step: Tensor, rows: Tensor | None, *args: object) -> Tensor:
        """Loss of one step, nats for the full data, shape ().

        Args:
            step: number of the step, shape (); the schedules' clock.
            rows: which data rows `args` hold, shape (batch,); None means all of them.
            *args: arguments of the model and the guide.
        """
        with self._handlers(step, rows):
            return self.objective.loss(self.pair, self.state, args, self.kwargs)

    def backward(self, step: Tensor, rows: Tensor | None, *args: object) -> Tensor:
        """Adds the step's gradient to every parameter's ``grad``; returns the loss, shape ()."""
        with self._handlers(step, rows):
            return self.objective.backward(self.pair, self.state, args, self.kwargs)

    def handlers(self, rows: Tensor | None, *, size: int | None = None) -> Handlers:
        """The effect handlers under which the pair runs outside of training, in eval mode.

        Nets that were trained in place are in the mode that their owner wants.
        """
        return Handlers(self.store, Minibatch(rows, size), None, in_eval_mode([self]))

    def _handlers(self, step: Tensor, rows: Tensor | None) -> Handlers:
        if isinstance(self.guide, Family):
            self.guide.advance(step)  # type: ignore[attr-defined]
        size = None
        if rows is not None and self.latents.row_plate is not None:
            size = self.latents.row_plate.size
        weight = None if self.kl_weight is None else self.kl_weight(step)
        return Handlers(self.store, Minibatch(rows, size), weight)


def _outside(modules: list[nn.Module], others: list[nn.Module]) -> list[nn.Module]:
    """The modules that are none of the others."""
    return [module for module in modules if not any(module is other for other in others)]


def _ids(modules: Iterable[nn.Module]) -> set[int]:
    return {id(parameter) for module in modules for parameter in module.parameters()}


def build(
    model: Model,
    guide: Callable,
    objective: Objective,
    args: tuple,
    kwargs: dict[str, object] | None = None,
    *,
    rows: int | None = None,
    kl_weight: Schedule | None = None,
    device: torch.device | str = "cpu",
) -> Program:
    """Puts a model, a guide and an objective together, on copies of what was passed.

    Run it inside :func:`zoo.isolation.isolated`.

    Args:
        model: any Pyro model.
        guide: a guide class of the zoo, a partial of one, a built guide, a Pyro AutoGuide
            (class or instance), or a guide function.
        objective: what to minimise.
        args: arguments of the model, on `device`; a minibatch is enough.
        kwargs: keyword arguments of the model.
        rows: full number of data rows, where `args` hold a minibatch.
        kl_weight: weight of the KL term at each step.
        device: where to train.

    Raises:
        PairingError: if the three do not go together.
    """
    kwargs = kwargs or {}
    model, guide = copies(model, guide)
    seen = Discovery(), Discovery()
    with SetUp(device):
        reached = [part.to(device) for part in reachable_modules(model)]
        latents = latents_under(model, guide, args, kwargs, rows)
        check(latents, guide, objective)
        guide = _build_guide(guide, latents, model)
        check_precision(guide, latents, args)
        reached += [part.to(device) for part in reachable_modules(guide)]
        adopt(held_modules(guide))
        quiet = (
            in_eval_mode(reached),
            noted("the first run of the guide and the model on its draw"),
        )
        with quiet[0], quiet[1], Minibatch(None, rows), torch.no_grad():
            watched = seen[0](model), seen[1](as_guide(guide))
            declares = isinstance(guide, Family)
            traces = checked_run(*watched, args, kwargs, declares=declares)
        latents = narrowed(latents, guide, traces, args, kwargs, rows)
    pair = Pair(model, guide, latents)
    _check_sites(pair, traces, objective)
    _check_order(traces, objective)
    held = frozenset(name for name in latents.names if name in traces.guide.nodes)
    marked = any(_is_marked(traces.model, name) for name in set(latents.names) - held)
    pair = replace(pair, guided=held, marked=marked)
    found = seen[0].modules, seen[1].modules
    reached += [part.to(device) for part in [*reachable_modules(guide), *found[0], *found[1]]]
    statements = find_statements(traces, reached)
    store = StoreParameters(statements, seen[0].names | seen[1].names).to(device)
    program = Program(
        pair, objective, kl_weight=kl_weight, kwargs=kwargs, store=store, found=found
    )
    program.observed = observed_arguments(traces.model, args)
    program.model_statements = frozenset(seen[0].names)
    program = program.to(device)
    _own_memory(program)
    narrow = _narrow_elsewhere(program, args, rows)
    if narrow:
        program.latents = replace(program.latents, vectorises=False, narrow=narrow)
    return program


def _own_memory(program: Program) -> None:
    """Buffers whose elements share memory, as expanded ones do, could not be restored."""
    for module in program.modules():
        for name, buffer in module._buffers.items():
            if buffer is not None and buffer.layout == torch.strided and shares_memory(buffer):
                module._buffers[name] = buffer.clone()


def _narrow_elsewhere(program: Program, args: tuple, rows: int | None) -> str:
    """Why the pair does not broadcast once its parameters have moved; "" if it does.

    A coefficient that starts at 0, or running averages of 0 and 1, hide what they multiply.
    """
    latents, kwargs = program.latents, program.kwargs
    if not latents.vectorises:
        return ""
    zoos = isinstance(program.guide, (Family, AutoGuide))
    model = reaching(program.model, program.found[0])
    callables = [("", model)] + ([] if zoos else [("in the guide, ", program.pair.guide)])
    with isolated(seed=0), torch.no_grad(), set_to(program, _moved), poutine.block():
        for where, fn in callables:
            run = partial(_under, partial(program.handlers, None, size=rows), fn)
            try:
                with Feasible(device_of(args)):
                    trace = poutine.trace(run).get_trace(*args, **kwargs)
            except Exception:  # noqa: BLE001, S112  moved values may make no sense to it
                continue
            trace = poutine.util.prune_subsample_sites(trace)
            said = why_narrow(run, trace, latents.nesting, args, kwargs)
            if said:
                return f"{where}{said}"
    return ""


def _under(handlers: Callable, fn: Callable, /, *args: object, **kwargs: object) -> object:
    with handlers():
        return fn(*args, **kwargs)


def _moved(value: Tensor) -> Tensor:
    return value + (0.5 + 0.5 * value.abs()) * spread(value.shape, 0.5, 1.0).to(value)


def _build_guide(guide: Callable, latents: Latents, model: Model) -> Callable:
    family = guide.func if isinstance(guide, partial) else guide
    if isinstance(family, type) and issubclass(family, Family):
        taken = covered(latents, family)
        return guide(taken, model) if family.takes_model else guide(taken)
    if isinstance(family, type) and issubclass(family, (AutoGuide, AutoMessenger)):
        return guide(model)
    return guide


def _check_sites(pair: Pair, traces: Traces, objective: Objective) -> None:
    """Refuses a hand-written guide that leaves a latent to nobody, or samples what is not there.

    Raises:
        PairingError: naming the site.
    """
    held = {str(site["name"]) for site in sample_sites(traces.guide)}
    kinds = objective.needs.sums_out
    left = [site for site in pair.latents.sites if site.name not in held]
    nobody = [site for site in left if not (site.kind in kinds and site.classes)]
    if nobody:
        raise PairingError(
            f"The guide samples {sorted(held)}; the model's latent '{nobody[0].name}' is not "
            "among them. Sample it in the guide, or use an objective that sums it out: enumerate."
        )
    unmarked = [site.name for site in left if not _is_marked(traces.model, site.name)]
    if unmarked and objective.needs.marked:
        raise PairingError(
            f"The objective sums out what the model marks for enumeration; '{unmarked[0]}' is "
            "not marked, and would be drawn from the prior. Decorate the model with "
            "pyro.infer.config_enumerate, or use the objective 'enumerate'."
        )


def _is_marked(trace: Trace, name: str) -> bool:
    return (trace.nodes[name]["infer"] or {}).get("enumerate") == "parallel"


def _check_order(traces: Traces, objective: Objective) -> None:
    """Refuses a guide with another order of latents, for an objective that goes by the model's."""
    names, kept = drawn(traces), in_order(traces)
    early = [name for name in names if name not in kept]
    if objective.needs.ordered and early:
        found = [name for name in traces.guide.nodes if name in names]
        raise PairingError(
            f"{type(objective).__name__} takes the KL term of each latent in the model's order, "
            f"{names}; the guide draws {found}, so that the term of '{early[0]}' is no KL "
            "divergence. Draw the latents in the model's order, or use mean_field."
        )
