"""One scorer for all methods: the ELBO of a normal on common draws, and its errors.

A normal q(u) = N(m, L L^T) is over the unconstrained latents u of the Pyro model, site after site
in the order in which the model draws them. All is computed in float64.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

import guides
from benchmarks.arrival.posterior import Posterior
from zoo.isolation import in_double, isolated
from zoo.latents import Latents
from zoo.normals.normal import Normal
from zoo.objectives import as_objective
from zoo.program import build
from zoo.sampling.joint_density import JointDensity

DRAWS, SEED = 65_536, 20  # of the scorer; an even number
AT_ONCE = 1024  # points in one run of the model


@contextmanager
def in_float64() -> Iterator[None]:
    """Runs apart from the caller's random state, with new tensors in float64."""
    with isolated(seed=0), in_double():
        yield


class Density:
    """The log density of a posterior's unconstrained latents u, up to the log evidence.

    A function of one point is mapped over many by torch.func.vmap, so that models which do not
    broadcast over particles are as fast as those that do. Use it inside :func:`in_float64`.

    Args:
        posterior: whose model and data to take.

    Attributes:
        latents: description of the model.
        size: d, numbers in u.
        evaluations: points with a gradient that were computed so far.
    """

    def __init__(self, posterior: Posterior) -> None:
        args = posterior.args()
        program = build(posterior.model, guides.MeanField, as_objective("trace"), args)
        program.eval()
        self.latents: Latents = program.latents
        self.joint = JointDensity(program, args)
        self.size, self.evaluations = self.joint.size, 0

    @property
    def blocks(self) -> dict[str, tuple[range, torch.Size]]:
        """Site -> the places of its numbers in u, and their shape without particles."""
        found, start = {}, 0
        for site in self.latents.sites:
            shape = torch.Size((*site.batch_shape, *site.unconstrained_shape))
            found[site.name] = range(start, start + site.size), shape
            start += site.size
        return found

    @cached_property
    def mapped(self) -> Callable[[Tensor], Tensor]:
        """Log density, nats: (n, d) -> (n,); may be differentiated twice."""
        return torch.func.vmap(lambda u: self.joint(u[None, None]).target[0, 0])

    @torch.no_grad()
    def __call__(self, u: Tensor) -> Tensor:
        """Log density, nats: (n, d) -> (n,)."""
        return torch.cat([self.mapped(part) for part in u.split(AT_ONCE)])

    def with_gradient(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Log density and its gradient: (n, d) -> (n,) and (n, d)."""
        self.evaluations += len(u)
        values, gradients = [], []
        for part in u.detach().split(AT_ONCE):
            point = part.requires_grad_()
            value = self.mapped(point)
            gradients += torch.autograd.grad(value.sum(), point)
            values.append(value.detach())
        return torch.cat(values), torch.cat(gradients)


def common_draws(size: int) -> Tensor:
    """The draws that all normals of a posterior are scored on, and their mirror images.

    Their mean is 0 and their second moments are I, so that the ELBO is exact where log p is a
    parabola.

    Returns:
        Shape (65,536, size).
    """
    generator = torch.Generator().manual_seed(SEED)
    half = torch.randn(DRAWS // 2, size, generator=generator, dtype=torch.float64)
    factor = torch.linalg.cholesky(half.mT @ half / len(half))
    half = torch.linalg.solve_triangular(factor, half.mT, upper=False).mT
    return torch.cat([half, -half])


def elbo(density: Callable[[Tensor], Tensor], normal: Normal) -> tuple[float, float]:
    """The ELBO on the common draws and its standard error, nats.

    Draws are averaged with their mirror images before the error is computed.
    """
    values = density(normal.at(common_draws(len(normal.mean))))
    pairs = values.reshape(2, -1).mean(0)
    return float(pairs.mean()) + normal.entropy, float(pairs.std()) / len(pairs) ** 0.5


@dataclass(frozen=True)
class Moments:
    """Means and sds of the unconstrained latents, each of length d."""

    mean: Tensor
    sd: Tensor

    def errors(self, mean: Tensor, sd: Tensor) -> tuple[float, float]:
        """Largest error of a mean, in posterior sds, and of an sd, relative, over coordinates."""
        means, sds = (mean - self.mean) / self.sd, sd / self.sd - 1
        return float(means.abs().max()), float(sds.abs().max())
