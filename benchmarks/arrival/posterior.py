"""A posterior of the benchmark: a Pyro model with its data, the same for every library."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.random import Generator, default_rng
from torch import Tensor

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Posterior:
    """A model with simulated data.

    Attributes:
        model: a Pyro model, a function of its data. The NumPyro and the PyMC models of the same
            name are in `numpyro_models.py` and `pymc_models.py`.
        simulate: draws the data from a generator.
        seed: of the data.
        noncentred: sites that NUTS moves as loc + scale * eta when it draws the reference.
    """

    model: Callable
    simulate: Callable[[Generator], Arrays]
    seed: int
    noncentred: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.__name__

    @cached_property
    def data(self) -> Arrays:
        """The arguments of the model by name.

        Float32 holds each number exactly, so that the posterior is the same in both precisions.
        """
        drawn = self.simulate(default_rng(self.seed))
        return {name: _as_float32_holds(value) for name, value in drawn.items()}

    def args(self) -> tuple[Tensor, ...]:
        """The arguments of the model: floats in torch's default dtype, and integers."""
        tensors = (torch.from_numpy(value) for value in self.data.values())
        usual = torch.get_default_dtype()
        return tuple(x.to(usual) if x.is_floating_point() else x for x in tensors)


def _as_float32_holds(value: np.ndarray) -> np.ndarray:
    return value.astype(np.float32).astype(float) if value.dtype.kind == "f" else value
