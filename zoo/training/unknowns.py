"""What is unknown in a model: latents that rows share, local latents, parameters."""

from collections.abc import Callable

from pyro import poutine
from pyro.infer.autoguide import AutoDelta, AutoLaplaceApproximation
from torch import no_grad

from zoo.copies import copies, held_modules
from zoo.handlers.minibatch import Minibatch
from zoo.handlers.parameters import in_eval_mode
from zoo.isolation import isolated
from zoo.latents import Family, describe
from zoo.latents.family import class_of
from zoo.task import Task

POINTS = (AutoDelta, AutoLaplaceApproximation)  # guides that train a point, and no distribution


def why_not_only_shared(
    task: Task, guide: Callable, kwargs: dict[str, object] | None = None
) -> str | None:
    """Why not all that is unknown is a latent shared by rows, or the guide none over these.

    Regressions, hierarchical models and time series with unknown coefficients have nothing else.
    Networks, parameters of the model and latents of each data row are something else.

    Args:
        task: the model and its data.
        guide: a guide, or its class or partial.
        kwargs: keyword arguments of the model.

    Returns:
        A clause without a full stop; None where all is shared latents.
    """
    kind = class_of(guide)
    if issubclass(kind, POINTS):
        return f"{kind.__name__} trains a point"
    if issubclass(kind, Family) and "global" not in kind.scopes:
        return f"{kind.__name__} is for latents of data rows"
    args, kwargs = task.split("train"), kwargs or {}
    with isolated(seed=0), no_grad():
        try:
            own = task.build()
            trained = _parameters(own)
            if trained:
                return f"the model has the parameter '{trained[0]}'"
            model, _ = copies(own, own)
            with in_eval_mode(held_modules(model)), Minibatch(None, None):
                latents = describe(model, *args, **kwargs)  # type: ignore[arg-type]
                trace = poutine.trace(model).get_trace(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  said again where the model is built
            return f"the model did not run: {error}"
    if trace.param_nodes:
        return f"the model has the parameter '{trace.param_nodes[0]}'"
    if not latents.sites:
        return "the model has no latents"
    return "latents belong to data rows" if latents.rowwise else None


def _parameters(model: Callable) -> list[str]:
    """Names of the parameters that a model's modules hold, those it refers to included."""
    named = (item for module in held_modules(model) for item in module.named_parameters())
    return [name for name, value in named if value.requires_grad]
