"""A model zoo for latent-variable models on Pyro."""

from zoo.capture import CaptureError
from zoo.checkpoint import load_fit, save
from zoo.divergence import DivergenceError
from zoo.estimators import Estimator
from zoo.evaluate import Figures, evaluate
from zoo.fit import fit
from zoo.gaps import gaps
from zoo.gradients import gradients
from zoo.keeper import Checkpoint, SaveError
from zoo.latents import Latents, describe
from zoo.package import CompileError
from zoo.pairing import PairingError, mismatch
from zoo.result import Fit
from zoo.task import Task, load

__version__ = "0.1.0"

__all__ = [
    "CaptureError",
    "Checkpoint",
    "CompileError",
    "DivergenceError",
    "Estimator",
    "Figures",
    "Fit",
    "Latents",
    "PairingError",
    "SaveError",
    "Task",
    "describe",
    "evaluate",
    "fit",
    "gaps",
    "gradients",
    "load",
    "load_fit",
    "mismatch",
    "save",
]
