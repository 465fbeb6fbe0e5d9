"""A model zoo for latent-variable models on Pyro."""

from zoo.compile.capture import CaptureError
from zoo.compile.compile_error import CompileError
from zoo.evaluation.evaluate import Metrics, evaluate
from zoo.evaluation.gaps import measure_gaps
from zoo.gradients.estimator import Estimator
from zoo.gradients.measure import measure_gradients
from zoo.latents import Latents, describe
from zoo.pairing.mismatch import PairingError, mismatch
from zoo.results.result import Fit
from zoo.task import Task, load
from zoo.training.checkpoint import load_fit, save
from zoo.training.checkpointer import Checkpoint, SaveError
from zoo.training.divergence import DivergenceError
from zoo.training.fit import fit

__version__ = "0.1.0"

__all__ = [
    "CaptureError",
    "Checkpoint",
    "CompileError",
    "DivergenceError",
    "Estimator",
    "Metrics",
    "Fit",
    "Latents",
    "PairingError",
    "SaveError",
    "Task",
    "describe",
    "evaluate",
    "fit",
    "measure_gaps",
    "measure_gradients",
    "load",
    "load_fit",
    "mismatch",
    "save",
]
