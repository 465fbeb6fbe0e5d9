"""What a guide must know of a model: its latents, found by tracing the prior once.

Nothing here asks who wrote the model: functions with ``pyro.param``, ``nn.Module`` and
``PyroModule`` are described alike, and so are sites observed by ``obs=`` or by ``condition``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from pyro import poutine
from pyro.poutine.trace_struct import Trace
from torch import Tensor, nn

from zoo.architecture import architecture
from zoo.arguments import refusal, whole
from zoo.copies import held_modules
from zoo.discovery import SetUp
from zoo.inputs import check_call, check_data
from zoo.isolation import isolated
from zoo.latent import Latent, Plate
from zoo.minibatch import ROWS, Minibatch
from zoo.parameters import adopt, in_eval_mode, reachable_modules
from zoo.particles import why_narrow
from zoo.prior import Feasible, has_bounds, moving_supports
from zoo.recognition import Descends, recogniser_of
from zoo.statements import Given
from zoo.supports import Kind, kind_of, unmixed
from zoo.whereabouts import noted

Model = Callable[..., object]


class Family:
    """What a guide declares of itself; pairing reads these and no names.

    Attributes:
        kinds: the kinds of latents that the family can be put on.
        scopes: "global", "local" or both.
        reparameterised: are draws differentiable functions of the parameters?
        factorised: does each latent have a distribution of its own?
        independent: are all elements of the latents independent, given the data?
        amortised: are local parameters computed from the data row, so that new rows need no fit?
        relaxes: are discrete latents replaced by continuous ones while training?
        row_families: families with parameters for each row that this one is an amortised form of.
        takes_model: is it built as `guide(latents, model)`, to share networks of the model? It
            keeps the model in a tuple, so that each parameter stays the model's alone.
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset()
    scopes: ClassVar[frozenset[str]] = frozenset()
    reparameterised: ClassVar[bool] = True
    factorised: ClassVar[bool] = True
    independent: ClassVar[bool] = True
    amortised: ClassVar[bool] = True
    relaxes: ClassVar[bool] = False
    row_families: ClassVar[tuple[type["Family"], ...]] = ()
    takes_model: ClassVar[bool] = False

    @classmethod
    def handles(cls, latent: Latent) -> bool:
        """Can the family be put on this latent?"""
        return latent.kind in cls.kinds and latent.scope in cls.scopes

    @classmethod
    def objection(cls, latents: "Latents") -> str | None:
        """Why the family does not go on a model whose latents it covers; None if it does."""
        return None


@dataclass(frozen=True)
class Latents:
    """The latents of a model under given arguments, and what a guide needs besides.

    Attributes:
        sites: the unobserved sample sites, in the order in which the model draws them.
        observed: names of the observed sites.
        row_plate: the plate over data rows, or None: the one named "data", else the first
            that the model subsamples.
        row_args: positions of the arguments that hold the rows of the row plate.
        context: number of values in one data row, over all those arguments.
        nesting: number of plate dimensions; particles go one to the left of them.
        vectorises: does the model broadcast over particles?
        hidden: widths of the linear layers of the model's decoder (the part of that name, else
            the whole model) from data to latents, or what the model declares; an encoder mirrors
            them.
        activation: the decoder's non-linearity.
        recognises: has the model a recognition network of its own?
        derived: names of the observed sites whose value is not an argument as it was passed.
        descends: has it groups of latents on a path that a guide can walk down?
        row_widths: number of values in one data row of each of the arguments `row_args`.
        narrow: why the model does not broadcast over particles; empty if it does.
        moving: latents whose support is not always the same, each with what it depends on.
        drawn_plates: names of the plates of which the model itself holds only a part at a time,
            as by ``subsample_size``: its log-density is then a random estimate of the whole.
    """

    sites: tuple[Latent, ...]
    observed: tuple[str, ...]
    row_plate: Plate | None
    row_args: tuple[int, ...]
    context: int
    nesting: int
    vectorises: bool
    hidden: tuple[int, ...]
    activation: type[nn.Module]
    recognises: bool = False
    derived: tuple[str, ...] = ()
    descends: bool = False
    row_widths: tuple[int, ...] = ()
    narrow: str = ""
    moving: tuple[tuple[str, str], ...] = ()
    drawn_plates: tuple[str, ...] = ()

    def __deepcopy__(self, memo: dict) -> "Latents":
        return self  # nothing in it changes, and supports are compared by identity

    def __getitem__(self, name: str) -> Latent:
        for site in self.sites:
            if site.name == name:
                return site
        raise ValueError(f"No latent named '{name}'; the model has {self.names}.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the latents."""
        return tuple(site.name for site in self.sites)

    @property
    def rowwise(self) -> bool:
        """Are all latents local, so that each data row has an importance weight of its own?"""
        return bool(self.sites) and all(site.local for site in self.sites)

    @property
    def subsampled(self) -> bool:
        """Does one call hold fewer rows than there are?"""
        return self.row_plate is not None and self.row_plate.subsample < self.row_plate.size

    def rows_given(self, args: tuple) -> int:
        """Number of data rows that the arguments hold; 0 if none of them holds rows."""
        return len(args[self.row_args[0]]) if self.row_args else 0

    def row_context(self, args: tuple) -> Tensor:
        """The data rows, flattened and side by side over all arguments: (rows, context)."""
        rows = self.rows_given(args)
        parts = [args[i].reshape(rows, -1) for i in self.row_args]
        usual = torch.get_default_dtype()  # of bits and counts, for a network to read
        return torch.cat([x if x.is_floating_point() else x.to(usual) for x in parts], dim=-1)

    def select(self, *names: str) -> "Latents":
        """The same description with only the latents named."""
        sites = tuple(self[name] for name in names)
        fields = {**self.__dict__, "sites": sites}
        return Latents(**fields)


def describe(model: Model, *args: object, rows: int | None = None, **kwargs: object) -> Latents:
    """Finds the latents of any Pyro model by tracing its prior once.

    Leaves the global random state, the parameter store and the validation flags untouched.

    Args:
        model: any callable with Pyro primitives.
        *args: what the model is called with.
        rows: full number of data rows, where `args` hold a minibatch of them.
        **kwargs: keyword arguments of the model.

    Raises:
        ValueError: if the model has no sample sites at all, or asks by name alone for a parameter
            that it does not make.
    """
    if isinstance(model, type) or not callable(model):
        way = "Pass an instance of it; for a task task.build() and *task.split('train')."
        raise refusal("model", "a Pyro model, a function or a module", model, way)
    if rows is not None:
        rows = whole("rows", rows)
    check_data(args, kwargs)
    check_call(model, args, kwargs)
    reached = reachable_modules(model)
    with isolated(seed=0), SetUp(), in_eval_mode(reached):
        adopt(held_modules(model))
        again = partial(_prior_trace, model, rows, args, kwargs)
        with torch.no_grad(), noted("the first run of the model, on draws of its prior"):
            trace = again()
        sites: list[dict] = [dict(n) for n in trace.nodes.values() if n["type"] == "sample"]
        if not sites:
            raise ValueError(f"Expected a model with pyro.sample sites; {model} has none.")
        plates = {plate.name: plate for site in sites for plate in _plates(site, args)}
        row_plate = _row_plate(tuple(plates.values()))
        row_args = _row_args(args, row_plate)
        nesting = max(-plate.dim for plate in plates.values()) if plates else 0
        latents = tuple(
            _latent(site, args, row_plate) for site in sites if not site["is_observed"]
        )
        narrow = why_narrow(model, trace, nesting, args, kwargs)
        moving = moving_supports(trace, again, latents) if has_bounds(trace) else ()
    seen = [site for site in sites if site["is_observed"]]
    observed = [site for site in seen if not site["infer"].get("_deterministic")]
    passed = {id(value) for value in (*args, *kwargs.values())}
    hidden, activation = architecture(model)
    return Latents(
        sites=latents,
        observed=tuple(site["name"] for site in observed),
        row_plate=row_plate,
        row_args=row_args,
        context=sum(args[i][0].numel() for i in row_args),  # type: ignore[index]
        nesting=nesting,
        vectorises=not narrow,
        hidden=hidden,
        activation=activation,
        recognises=recogniser_of(model) is not None,
        derived=tuple(site["name"] for site in observed if id(site["value"]) not in passed),
        descends=isinstance(model, Descends),
        row_widths=tuple(args[i][0].numel() for i in row_args),  # type: ignore[index]
        narrow=narrow,
        moving=moving,
        drawn_plates=tuple(
            plate.name
            for plate in plates.values()
            if plate.subsample < plate.size and not plate.given
        ),
    )


def _prior_trace(model: Model, rows: int | None, args: tuple, kwargs: dict) -> Trace:
    with poutine.block(), Minibatch(None, rows), Feasible(device_of(args)), Given({}):
        trace = poutine.trace(model).get_trace(*args, **kwargs)
    return poutine.util.prune_subsample_sites(trace)


def _plates(site: dict, args: tuple) -> list[Plate]:
    frames = [frame for frame in site["cond_indep_stack"] if frame.vectorized]
    return [
        Plate(
            name=frame.name,
            size=frame.full_size or frame.size,
            dim=frame.dim,
            subsample=frame.size,
            given=frame.name == ROWS and any(has_rows(arg, frame.size) for arg in args),
        )
        for frame in frames
    ]


def _row_plate(plates: tuple[Plate, ...]) -> Plate | None:
    named = [plate for plate in plates if plate.name == ROWS]
    subsampled = [plate for plate in plates if plate.subsample < plate.size]
    return next(iter(named + subsampled), None)


def _latent(site: dict, args: tuple, row_plate: Plate | None) -> Latent:
    plates = tuple(sorted(_plates(site, args), key=lambda plate: plate.dim))
    batch = [1] * max((-plate.dim for plate in plates), default=0)
    for plate in plates:
        batch[plate.dim] = plate.size
    support = unmixed(site["fn"].support)
    return Latent(
        name=site["name"],
        support=support,
        event_shape=site["fn"].event_shape,
        batch_shape=torch.Size(batch),
        plates=plates,
        kind=kind_of(support),
        local=row_plate is not None and row_plate.name in {plate.name for plate in plates},
    )


def _row_args(args: tuple, row_plate: Plate | None) -> tuple[int, ...]:
    if row_plate is None or not row_plate.given:
        return ()
    return tuple(i for i, arg in enumerate(args) if has_rows(arg, row_plate.subsample))


def has_rows(arg: object, rows: int) -> bool:
    """Is the argument a tensor with that many rows?"""
    return isinstance(arg, Tensor) and arg.dim() > 0 and len(arg) == rows


def device_of(args: tuple) -> torch.device | None:
    """Device of the first tensor among the arguments; None if there is none."""
    return next((arg.device for arg in args if isinstance(arg, Tensor)), None)
