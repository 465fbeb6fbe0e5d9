"""One SVI step: a model, a guide and an objective, put together as one module and run."""

from zoo.program.building import build
from zoo.program.program import Program

__all__ = ["Program", "build"]
