"""A model zoo for latent-variable models on Pyro.

`import zoo` takes no time: a name is imported from its module when it is first asked for, and so
`zoo --help` need not wait for torch.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.comparison.compare import compare
    from zoo.comparison.comparison import Comparison
    from zoo.compile.capture import CaptureError
    from zoo.compile.compile_error import CompileError
    from zoo.evaluation.evaluate import Metrics, evaluate
    from zoo.evaluation.gaps import measure_gaps
    from zoo.evaluation.linear_response import LinearResponse, linear_response
    from zoo.gradients.estimator import Estimator
    from zoo.gradients.measure import measure_gradients
    from zoo.handlers.scan import scan
    from zoo.latents import Latents, describe
    from zoo.pairing.mismatch import PairingError, mismatch
    from zoo.pretrained_fits.pretrained import pretrained
    from zoo.pretrained_fits.shelf import Shelf
    from zoo.results.result import Fit
    from zoo.sweeps.found import Sweep
    from zoo.sweeps.sweep import sweep
    from zoo.task import Task, load
    from zoo.training.checkpoint import load_fit, save
    from zoo.training.checkpointer import Checkpoint, SaveError
    from zoo.training.divergence import DivergenceError
    from zoo.training.fit import fit
    from zoo.training.parallel.ranks import RankError
    from zoo.training.progress import Progress
    from zoo.training.tensorboard import TensorBoard

__version__ = "0.1.0"

__all__ = [
    "CaptureError",
    "Checkpoint",
    "Comparison",
    "CompileError",
    "DivergenceError",
    "Estimator",
    "Metrics",
    "Fit",
    "Latents",
    "LinearResponse",
    "PairingError",
    "Progress",
    "RankError",
    "SaveError",
    "Shelf",
    "Sweep",
    "Task",
    "TensorBoard",
    "compare",
    "describe",
    "evaluate",
    "fit",
    "linear_response",
    "measure_gaps",
    "measure_gradients",
    "load",
    "load_fit",
    "mismatch",
    "pretrained",
    "save",
    "scan",
    "sweep",
]

_MODULE_OF = {
    "compare": "zoo.comparison.compare",
    "Comparison": "zoo.comparison.comparison",
    "CaptureError": "zoo.compile.capture",
    "CompileError": "zoo.compile.compile_error",
    "Metrics": "zoo.evaluation.evaluate",
    "evaluate": "zoo.evaluation.evaluate",
    "measure_gaps": "zoo.evaluation.gaps",
    "LinearResponse": "zoo.evaluation.linear_response",
    "linear_response": "zoo.evaluation.linear_response",
    "Estimator": "zoo.gradients.estimator",
    "measure_gradients": "zoo.gradients.measure",
    "Latents": "zoo.latents",
    "describe": "zoo.latents",
    "PairingError": "zoo.pairing.mismatch",
    "mismatch": "zoo.pairing.mismatch",
    "pretrained": "zoo.pretrained_fits.pretrained",
    "Shelf": "zoo.pretrained_fits.shelf",
    "Fit": "zoo.results.result",
    "scan": "zoo.handlers.scan",
    "Sweep": "zoo.sweeps.found",
    "sweep": "zoo.sweeps.sweep",
    "Task": "zoo.task",
    "load": "zoo.task",
    "load_fit": "zoo.training.checkpoint",
    "save": "zoo.training.checkpoint",
    "Checkpoint": "zoo.training.checkpointer",
    "SaveError": "zoo.training.checkpointer",
    "DivergenceError": "zoo.training.divergence",
    "RankError": "zoo.training.parallel.ranks",
    "Progress": "zoo.training.progress",
    "TensorBoard": "zoo.training.tensorboard",
    "fit": "zoo.training.fit",
}

if not TYPE_CHECKING:  # else a type checker would take every name for a name of the zoo

    def __getattr__(name: str) -> object:
        """The object of that name, or the module `zoo.NAME`; from then on it is kept.

        Raises:
            AttributeError: for a name that is neither, with a similar one if there is any.
        """
        from importlib import import_module

        if name in _MODULE_OF:
            value = getattr(import_module(_MODULE_OF[name]), name)
        elif name in _modules():
            value = import_module(f"zoo.{name}")
        else:
            from zoo.errors import did_you_mean

            hint = did_you_mean(name, [*__all__, *_modules()])
            raise AttributeError(f"module 'zoo' has no attribute '{name}'. {hint}".rstrip())
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    special = [name for name in globals() if name.startswith("__")]
    return sorted({*special, *__all__, *_modules()})


def _modules() -> list[str]:
    """Names of the packages and modules directly in this one."""
    from pkgutil import iter_modules

    return [found.name for found in iter_modules(__path__) if not found.name.startswith("_")]
