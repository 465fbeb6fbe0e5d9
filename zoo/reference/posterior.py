"""A model's log posterior as a function of unconstrained numbers, for NUTS.

Sites with a location and a scale can be sampled non-centred, theta = loc + scale * eta. The
posterior of theta is the same, and that of eta has no funnel.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from pyro import poutine
from pyro.infer.reparam.reparam import Reparam
from torch import Tensor, nn
from torch.fx import GraphModule

from zoo.checks.arguments import refusal
from zoo.compile.graph_passes import poison_failures
from zoo.compile.scans.operation import as_an_operation
from zoo.handlers.scan import scans_run_by
from zoo.latents import Kind, Latents, Model, describe
from zoo.nuts.tree import Density
from zoo.program.guideless import without_guide
from zoo.protocols import HasOtherForm
from zoo.reference.other_form import require_same, require_sites
from zoo.reference.record import Scalars
from zoo.sampling.joint_density import JointDensity
from zoo.sampling.traced import traced
from zoo.sampling.unconstrained import Bijected, to_unconstrained
from zoo.sites.supports import SUMMED, unmixed

LARGEST_START = 2.0  # of each coordinate of a starting point
NEAR = 0.5  # the same, from a point that is given
TRIES = 100
DRAWS_AT_ONCE = 1000  # whose values are computed together
Pair = tuple[Tensor, Tensor]


class Posterior:
    """The log posterior of a model over vectors of unconstrained numbers, one for each chain.

    Args:
        model: any Pyro model.
        args: what it is called with.
        reparam: site -> the form in which it is sampled.
        chains: number of chains.

    Attributes:
        density: log joint density of the model in the form that is sampled.
        names: of the latents of the original model.
        form: name of the method that writes the model in another form; empty where it has none.
        slope: u (chains, size) -> log density, nats, (chains,), and its gradient, (chains, size);
            a graph where the model can be traced.

    Raises:
        ValueError: see :func:`sample_reference`.
    """

    def __init__(
        self, model: Model, args: tuple, reparam: Mapping[str, Reparam], chains: int
    ) -> None:
        if isinstance(model, nn.Module):
            model = copy.deepcopy(model).double().eval()
        own = describe(model, *args)
        refuse(own)
        for name in reparam:
            own[name]  # raises for a name that is no latent
        sampled = model.in_other_form if isinstance(model, HasOtherForm) else model
        self.form = "" if sampled is model else "in_other_form"
        if reparam:
            sampled = poutine.reparam(sampled, dict(reparam))
        self.names, self.args, self.chains = own.names, args, chains
        with forms_named(reparam):
            self.density = JointDensity(without_guide(sampled, args), args)
        if self.form:
            own_density = JointDensity(without_guide(model, args), args)
            require_same(own_density, self.density, self._values)
        self.slope = self._slope()

    def plain(self, u: Tensor) -> Pair:
        """Log density, nats, and gradient through the model: (n, size) -> (n,), (n, size)."""
        with torch.enable_grad():
            leaf = u.detach().requires_grad_()
            target = self.density(leaf[:, None]).target[:, 0]
            (gradient,) = torch.autograd.grad(target.sum(), leaf)
        return target.detach(), gradient

    def start(self, init: Mapping[str, object] | None = None) -> Tensor:
        """Points of finite density, (chains, size), uniform around a middle.

        Args:
            init: site -> value, the middle, from which each unconstrained number is at most 0.5
                away; None for the origin of unconstrained space, and at most 2 away.

        Raises:
            ValueError: if there are too few, or init has no value of that site's support.
        """
        middle, width = torch.zeros(self.density.size), LARGEST_START
        if init is not None:
            middle, width = self._unconstrained(init), NEAR

        def around() -> Tensor:
            return middle + width * (2 * torch.rand(self.chains, self.density.size) - 1)

        u = around()
        for _ in range(TRIES):
            target, gradient = self.slope(u)
            good = target.isfinite() & gradient.isfinite().all(-1)
            if good.all():
                return u
            u = torch.where(good[:, None], u, around())
        where = "the origin of unconstrained space" if init is None else "init"
        raise ValueError(
            f"Expected a finite density near {where}; got none in {TRIES} tries. Check the "
            "model's log density at plausible values, and pass these as init."
        )

    def _unconstrained(self, init: Mapping[str, object]) -> Tensor:
        """The point of given values, (size,)."""
        columns, program = self.density.columns, self.density.program
        sites = {site.name: site.batch_shape + site.event_shape for site in columns.sites}
        if not isinstance(init, Mapping):
            raise refusal("init", "a dict of sites and values", init, "Pass e.g. {'tau': 3.0}.")
        if set(init) != set(sites):
            raise ValueError(
                f"Expected init to have a value of each site that is sampled, {list(sites)}; got "
                f"{list(init)}. In another form (noncentred, reparam) these are the form's sites."
            )
        values = {name: _given(name, init[name], shape) for name, shape in sites.items()}
        model = poutine.condition(program.model, data=values)
        with program.handlers(None):
            nodes: Any = poutine.trace(model).get_trace(*self.args).nodes
        supports = {name: unmixed(nodes[name]["fn"].support) for name in sites}
        for name, support in supports.items():
            if not bool(support.check(values[name]).all()):
                raise ValueError(
                    f"Expected init to have '{name}' in its support, {support}; got "
                    f"{init[name]}. Pass a value that the model can draw."
                )
        return columns.pack(to_unconstrained(values, supports), 1).reshape(-1)

    @torch.no_grad()
    def values(self, us: Tensor) -> Scalars:
        """Site -> values, (draws, *shape), in the model's own form; us (draws, size)."""
        one = traced(self._values, (us[0],), (us[-1],))
        try:
            many = [torch.func.vmap(one)(part) for part in us.split(DRAWS_AT_ONCE)]
            columns = [torch.cat(parts) for parts in zip(*many, strict=True)]
        except Exception:  # noqa: BLE001  an operation may have no form for many draws
            columns = [torch.stack(parts) for parts in zip(*map(self._values, us), strict=True)]
        return dict(zip(self.names, columns, strict=True))

    def _slope(self) -> Density:
        u = torch.rand(self.chains, self.density.size)
        other, plain = 0.1 - 0.9 * u, cast(Density, self.plain)
        with_scans = partial(scans_run_by, as_an_operation)
        if not self.density.latents.vectorises:
            one = traced(plain, (u[:1],), (other[:1],), with_scans)

            def mapped(points: Tensor) -> Pair:
                value, gradient = torch.func.vmap(one)(points[:, None])
                return value[:, 0], gradient[:, 0]

            plain = mapped if isinstance(one, GraphModule) else plain
        found = traced(plain, (u,), (other,), with_scans)
        if not isinstance(found, GraphModule):
            return partial(_tried, self.plain)
        poison_failures(found)
        found.recompile()
        return found

    def _values(self, u: Tensor) -> tuple[Tensor, ...]:
        columns, program = self.density.columns, self.density.program
        parts = u.split(columns.sizes)
        shaped = {
            site.name: part.reshape(site.batch_shape + site.unconstrained_shape)
            for site, part in zip(columns.sites, parts, strict=True)
        }
        with program.handlers(None), Bijected(shaped):
            nodes = poutine.trace(program.model).get_trace(*self.args).nodes
        require_sites(self.names, list(nodes))
        return tuple(cast(Tensor, nodes[name]["value"]) for name in self.names)


def _given(name: str, value: object, shape: torch.Size) -> Tensor:
    """A value of a site in its shape."""
    try:
        found = torch.as_tensor(value, dtype=torch.get_default_dtype())
    except (TypeError, ValueError, RuntimeError) as error:
        raise refusal(f"init['{name}']", "numbers", value, "Pass a number or a tensor.") from error
    if found.shape != shape and found.numel() != 1:
        raise ValueError(
            f"Expected init to have '{name}' of shape {tuple(shape)}; got {tuple(found.shape)}. "
            "Pass that shape, or one number for all of it."
        )
    return found.expand(shape)


def _tried(density: Density, u: Tensor) -> Pair:
    """The density of each chain; -inf where the model raises, as Cholesky may far out."""
    try:
        return density(u)
    except (ValueError, RuntimeError):
        if len(u) == 1:
            return u.new_full((1,), -torch.inf), torch.zeros_like(u)
    values, slopes = zip(*(_tried(density, half) for half in u.chunk(2)), strict=True)
    return torch.cat(values), torch.cat(slopes)


@contextmanager
def forms_named(reparam: Mapping[str, Reparam]) -> Iterator[None]:
    """Says that forms do not suit their sites, where a model cannot be run in them.

    Raises:
        ValueError: naming the sites and the forms.
    """
    try:
        yield
    except (AttributeError, AssertionError, NotImplementedError, TypeError) as error:
        if not reparam:
            raise
        pairs = ", ".join(f"'{name}' by {type(form).__name__}" for name, form in reparam.items())
        raise ValueError(
            f"Expected forms that suit their sites; the model cannot be run with {pairs}: "
            f"{error or type(error).__name__}. LocScaleReparam is for distributions with loc and "
            "scale, as Normal and StudentT; leave the others out."
        ) from error


def refuse(latents: Latents) -> None:
    """Raises ValueError for a latent that NUTS cannot sample here."""
    for site in latents.sites:
        if site.kind is not Kind.CONTINUOUS:
            way = "Score it by iwae_K with a guide for it."
            if site.kind in SUMMED:
                way = "Ask the model's exact posterior by enumeration, or sum it out in the model."
            raise ValueError(
                f"NUTS moves continuous latents; '{site.name}' is {site.kind.value}. {way}"
            )
        if site.local:
            raise ValueError(
                f"A reference is of latents that rows share; '{site.name}' lies in the plate "
                "'data', with a posterior for each row. Score it by ais or iwae_K, or, for few "
                "rows, name the plate otherwise."
            )


def as_double(arg: object) -> object:
    """The argument, in double precision if it is a tensor of floating point numbers."""
    return arg.double() if isinstance(arg, Tensor) and arg.is_floating_point() else arg
