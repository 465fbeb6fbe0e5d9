"""A model or a guide whose parameters are constants for autograd."""

from collections.abc import Callable
from typing import Any

import torch
from pyro.distributions.torch_distribution import TorchDistribution
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from torch import Tensor, nn
from torch.distributions import Independent, TransformedDistribution
from torch.distributions.constraints import Constraint

from zoo.distributions import Density
from zoo.handlers.parameters import reachable_modules
from zoo.handlers.substitution import call_with

NO_SHAPE = torch.Size()


class _Constant(Messenger):
    """Makes every ``pyro.param`` a constant."""

    def _pyro_post_param(self, msg: Message) -> None:
        value = msg["value"]
        assert isinstance(value, Tensor)
        msg["value"] = value.detach()


class _Call(nn.Module):
    """A function as a module, so that all parameters that it reaches can be replaced at once."""

    def __init__(self, fn: Callable) -> None:
        super().__init__()
        self.fn = (fn,)  # not a submodule: each parameter is to have one name
        found = list({id(part): part for part in reachable_modules(fn)}.values())
        inner = {id(part) for one in found for part in list(one.modules())[1:]}
        self.parts = nn.ModuleList(part for part in found if id(part) not in inner)

    def forward(self, part: Callable | None, *args: object, **kwargs: object) -> object:
        """Calls the function itself, or a part that depends on the same parameters."""
        return (part or self.fn[0])(*args, **kwargs)


class _Held(TorchDistribution):
    """A distribution that is scored as it was made: a flow reads its parameters only then."""

    arg_constraints = {}  # type: ignore[var-annotated]  # noqa: RUF012

    def __init__(self, base: Any, held: Callable) -> None:
        self.base, self.held, self.has_rsample = base, held, base.has_rsample
        super().__init__(base.batch_shape, base.event_shape, validate_args=False)

    @property
    def support(self) -> Constraint:
        return self.base.support

    def rsample(self, sample_shape: Any = NO_SHAPE) -> Tensor:
        return self.held(self.base.rsample, sample_shape)

    def sample(self, sample_shape: Any = NO_SHAPE) -> Tensor:
        return self.held(self.base.sample, sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.held(self.base.log_prob, value)

    def expand(self, batch_shape: Any, _instance: object = None) -> "_Held":
        return _Held(self.base.expand(batch_shape), self.held)


class _Hold(Messenger):
    """Holds the distributions that read parameters when they are scored."""

    def __init__(self, held: Callable) -> None:
        super().__init__()
        self.held = held

    def _pyro_sample(self, msg: Message) -> None:
        fn: Any = msg["fn"]
        while isinstance(fn, Independent):
            fn = fn.base_dist
        if isinstance(fn, (TransformedDistribution, Density)):
            msg["fn"] = _Held(msg["fn"], self.held)


def frozen(fn: Callable) -> Callable:
    """A model or a guide whose parameters are constants for autograd."""
    call = _Call(fn)

    def run_frozen(*args: object, **kwargs: object) -> object:
        constants = {name: value.detach() for name, value in call.named_parameters()}

        def held(part: Callable | None, *args: object, **kwargs: object) -> object:
            return call_with(call, dict(constants), (part, *args), kwargs)

        with _Constant(), _Hold(held):
            return held(None, *args, **kwargs)

    return run_frozen
