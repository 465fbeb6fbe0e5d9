"""log p(x, z(u)) + log|dz/du| of a model, as a function of one vector u, with its gradient."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo.device import device_of
from zoo.isolation import in_double
from zoo.latents import Model
from zoo.program import Program
from zoo.program.guideless import without_guide
from zoo.sampling.joint_density import JointDensity
from zoo.sampling.traced import Function, traced
from zoo.torch_private import tree_map

NUMBERS_AT_ONCE = 2**22  # of the largest site, times points, in one run of the model
CALLS_BEFORE_TRACING = 8  # with as many points; tracing costs about as much as these
LARGEST_DIFFERENCE = 1e-3  # of the log density in float64 from that in float32, relative


Pair = tuple[Tensor, Tensor]


class LogDensity:
    """The log joint density of a model at many points u at once; counts its evaluations.

    Points, values and gradients are float64. The model runs in its own precision; see
    :func:`in_float64` for one that runs in float64 too. A number of points that is asked for
    often is traced, which saves the time that Python and Pyro take. Parameters of the model may be
    changed in place; the density follows them.

    Use it inside :func:`zoo.isolation.isolated`, with the program in eval mode.

    Args:
        program: whose model to score, with its parameters as they are.
        args: arguments of the model, on its device.

    Attributes:
        program: the program, whose parameters may be changed in place.
        size: d, numbers in u.
        evaluations: points at which the density was computed so far.

    Raises:
        ValueError: if latents belong to data rows, or the model has no such density.
    """

    def __init__(self, program: Program, args: tuple) -> None:
        if program.latents.rowwise:
            raise ValueError(
                "A normal over all latents at once needs latents that rows share; here each "
                "belongs to a row. Use an optimizer that takes steps, such as optimizer='adam'."
            )
        self.program, self.joint = program, JointDensity(program, args)
        self.size, self.evaluations = self.joint.size, 0
        self.device, self.dtype = device_of(args), torch.get_default_dtype()
        self.at_once = max(1, NUMBERS_AT_ONCE // max(1, self.joint.width, self.size))
        self._calls, self._graphs = dict[int, int](), dict[int, Function]()
        self._many: Function | None = None

    def __call__(self, u: Tensor) -> Tensor:
        """Log density, nats: (n, d) -> (n,), float64; -inf where the model raises."""
        if not self.joint.latents.vectorises:
            return self.with_gradient(u)[0]
        with torch.no_grad():
            parts = [_tried(self._value, part) for part in u.split(self.at_once)]
        return torch.cat([values for values, _ in parts])

    def with_gradient(self, u: Tensor) -> Pair:
        """Log density and its gradient: (n, d) -> (n,) and (n, d); -inf and 0 where it raises."""
        found = [_tried(self._traced, part) for part in u.split(self.at_once)]
        values, gradients = zip(*found, strict=True)
        return torch.cat(values), torch.cat(gradients)

    @property
    def one_by_one(self) -> bool:
        """Do points run one after another: does the model neither broadcast nor map over them?

        Known once some have run.
        """
        return not self.joint.latents.vectorises and self._many == self._plain

    def slope(self, u: Tensor, parameters: list[nn.Parameter]) -> Tensor:
        """Mean gradient in some of the model's parameters, side by side: (n, d) -> (numbers,)."""
        self.evaluations += len(u)
        total = u.new_zeros(sum(parameter.numel() for parameter in parameters))
        for part in u.split(self.at_once):
            with torch.enable_grad():
                total += _flat(_gradients(self._of_model(part).sum(), parameters), u)
        return total / len(u)

    def curvature(self, u: Tensor, parameters: list[nn.Parameter]) -> Tensor:
        """Minus the mean second derivatives in parameters of the model: (n, d) -> (p, p).

        Raises:
            RuntimeError: if the model has none.
        """
        self.evaluations += len(u)
        rows = list[Tensor]()
        for part in u.split(self.at_once):
            with torch.enable_grad():
                value = self._of_model(part).sum()
                slope = _flat(_gradients(value, parameters, again=True), u)
                each = [_flat(_gradients(own, parameters, again=True), u) for own in slope]
            rows.append(torch.stack(each).detach())
        return -torch.stack(rows).sum(0) / len(u)

    def hessian(self, point: Tensor) -> Tensor:
        """Second derivatives at one point, by autograd: (d,) -> (d, d).

        Raises:
            RuntimeError: if the model has none.
        """
        self.evaluations += 1 + self.size
        with torch.enable_grad():
            u = nn.Parameter(point.detach()[None])
            (slope,) = _gradients(self._of_model(u).sum(), [u], again=True)
            rows = [_gradients(own, [u], kept=True)[0][0] for own in slope[0]]
        found = torch.stack(rows).detach()
        return (found + found.mT) / 2

    def _value(self, u: Tensor) -> Pair:
        self.evaluations += len(u)
        return self._of_model(u), torch.zeros_like(u)

    def _traced(self, u: Tensor) -> Pair:
        count = len(u)
        self.evaluations += count
        self._calls[count] = self._calls.get(count, 0) + 1
        narrow = count > 1 and not self.joint.latents.vectorises
        if narrow and self._many is None:
            self._many = self._mapped(u)
        if narrow and self._many is not None:
            with torch.no_grad():
                return self._many(u)
        if self._calls[count] == CALLS_BEFORE_TRACING and not narrow:
            self._graphs[count] = traced(self._plain, (u,), (0.9 * u + 0.1,))
        with torch.no_grad():
            return self._graphs.get(count, self._plain)(u)

    def _mapped(self, u: Tensor) -> Function:
        """The function of one point mapped over many, for a model that does not broadcast."""
        one = traced(self._plain, (u[:1],), (u[1:2],))

        def many(points: Tensor) -> Pair:
            values, gradients = torch.func.vmap(one)(points[:, None])
            return values[:, 0], gradients[:, 0]

        try:
            with torch.no_grad():
                pairs = zip(many(u[:2]), self._plain(u[:2]), strict=True)
            same = all(torch.allclose(a, b, rtol=1e-6, equal_nan=True) for a, b in pairs)
        except Exception:  # noqa: BLE001  an operation may have no form for many points
            return self._plain
        return many if same else self._plain

    def _plain(self, u: Tensor) -> Pair:
        with torch.enable_grad():
            point = u.detach().requires_grad_()
            value = self._of_model(point)
            (gradient,) = torch.autograd.grad(value.sum(), point)
        return value.detach(), gradient

    def _of_model(self, u: Tensor) -> Tensor:
        default = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)
        try:
            own = u.to(self.device, self.dtype)
            return self.joint(own[:, None]).target[:, 0].to(u)
        finally:
            torch.set_default_dtype(default)


def _gradients(
    value: Tensor,
    parameters: list[nn.Parameter],
    *,
    again: bool = False,
    kept: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients in each parameter, zeros where the value does not depend on it."""
    if not value.requires_grad:
        return tuple(torch.zeros_like(parameter) for parameter in parameters)
    return torch.autograd.grad(
        value,
        parameters,
        retain_graph=again or kept,
        create_graph=again,
        materialize_grads=True,
    )


def _flat(parts: tuple[Tensor, ...], like: Tensor) -> Tensor:
    return torch.cat([part.flatten().to(like) for part in parts])


def _tried(run: Callable[[Tensor], Pair], points: Tensor) -> Pair:
    """Runs on halves of the points where it raises on all, as Cholesky does far from the mode."""
    try:
        return run(points)
    except (ValueError, RuntimeError):
        if len(points) == 1:
            return points.new_full((1,), -torch.inf), torch.zeros_like(points)
    halves = [_tried(run, half) for half in points.chunk(2)]
    return torch.cat([half[0] for half in halves]), torch.cat([half[1] for half in halves])


def in_float64(
    model: Model, args: tuple, kwargs: dict[str, object], program: Program
) -> LogDensity:
    """The log density of a model with its numbers in float64, where the model allows that.

    Data in the thousands leave float32 too few digits for second-order steps. A model that holds
    float32 tensors which cannot be mixed with float64 runs as it is.

    Args:
        model: the model, as its user passed it.
        args: its arguments, on its device.
        kwargs: its keyword arguments.
        program: the model's program in its own precision.
    """
    plain = LogDensity(program, args)
    if torch.get_default_dtype() == torch.float64:
        return plain
    try:
        with in_double():
            own = copy.deepcopy(model).double() if isinstance(model, nn.Module) else model
            wide = tuple(_as_double(arg) for arg in args)
            double = without_guide(own, wide, _as_double(kwargs))
            for value in double.store.values:
                value.data = value.data.double()
            _begin_alike(double, program)
            found = LogDensity(double, wide)
            u = torch.linspace(-0.5, 0.5, plain.size)[None]
            same = torch.allclose(found(u), plain(u), rtol=LARGEST_DIFFERENCE, atol=1e-2)
    except (RuntimeError, ValueError, TypeError, AttributeError):
        return plain
    found.evaluations = plain.evaluations = 0
    return found if same and found.size == plain.size else plain


@torch.no_grad()
def _begin_alike(program: Program, other: Program) -> None:
    """Gives parameters that begin at random the values that they have in another program."""
    known = dict(other.named_parameters())
    for name, parameter in program.named_parameters():
        if name in known and known[name].shape == parameter.shape:
            parameter.copy_(known[name])


def _as_double(value: Any) -> Any:
    """The value with its float tensors in float64, also those in a list, tuple or dict."""
    return tree_map(
        lambda x: x.double() if torch.is_tensor(x) and x.is_floating_point() else x, value
    )
