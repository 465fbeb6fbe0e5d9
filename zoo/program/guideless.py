"""A model's program without a guide, for densities and samplers that need none."""

from pyro import poutine
from torch import no_grad

from zoo.handlers.minibatch import Minibatch
from zoo.handlers.parameters import StoreParameters, adopt, find_statements, reachable_modules
from zoo.latents import Model, describe
from zoo.objectives import Trace
from zoo.program.program import Program
from zoo.traces import Pair


def without_guide(model: Model, args: tuple, kwargs: dict[str, object] | None = None) -> Program:
    """The program of a model, in eval mode, with a guide that samples nothing.

    Run it inside :func:`zoo.isolation.isolated`. The model itself is used, and not a copy.

    Args:
        model: any Pyro model.
        args: its arguments.
        kwargs: its keyword arguments.
    """
    kwargs = kwargs or {}
    modules = reachable_modules(model)
    adopt(modules)
    latents = describe(model, *args, **kwargs)  # type: ignore[arg-type]
    with Minibatch(None, None), no_grad():
        trace = poutine.trace(model).get_trace(*args, **kwargs)
    store = StoreParameters(find_statements([trace], modules))
    pair = Pair(model, _nothing, latents)
    return Program(pair, Trace(), kl_weight=None, kwargs=kwargs, store=store).eval()


def _nothing(*args: object, **kwargs: object) -> None:
    """The empty guide."""
