"""Planted failures, each beside a healthy fit that is exact: what the museum shows.

Every model knows its evidence and posterior in closed form, and nothing is trained: the healthy
guide is the exact posterior, and the sick one is that with a single thing wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.transforms import LowerCholeskyAffine
from torch import Tensor, nn
from torch.distributions import constraints

import zoo
from zoo.models.linear.ppca import ProbabilisticPCA
from zoo.results.result import Fit

NARROW = 0.4  # of each sd
HALF = 3  # of six features
CLUSTER_CENTRE, CLUSTER_SD, NOISE_SD = 4.0, 0.5, 4.0
FREEDOM, CORRELATION = 2.0, 0.8
BEST_SCALE = 1.2602196988  # sd of the normal of least KL(q || p) to a standard Student-t with 3 df


class Mixture(dist.MixtureSameFamily):
    """A mixture on the real line that says so, where torch's support names no bijection."""

    support = constraints.real


class TwoModes(nn.Module):
    """z ~ (N(-4, .5) + N(4, .5)) / 2, x ~ N(z + shift, 4); x says little about the sign of z."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        with pyro.plate("data", len(x)):
            clouds = dist.Normal(x.new_tensor([-CLUSTER_CENTRE, CLUSTER_CENTRE]), CLUSTER_SD)
            weights = dist.Categorical(x.new_tensor([0.5, 0.5]))
            z = pyro.sample("z", Mixture(weights, clouds))
            return pyro.sample("x", dist.Normal(z + self.shift, NOISE_SD), obs=x)

    def log_evidence(self, x: Tensor) -> Tensor:
        return self._by_mode(x).logsumexp(-1)

    def posterior(self, x: Tensor) -> dict:
        weights = dist.Categorical(logits=self._by_mode(x))
        return {"z": dist.MixtureSameFamily(weights, self.modes(x))}

    def likelier(self, x: Tensor) -> dist.Normal:
        """The posterior of the likelier mode alone."""
        modes, best = self.modes(x), self._by_mode(x).argmax(-1, keepdim=True)
        return dist.Normal(modes.loc.gather(-1, best)[..., 0], modes.scale[..., 0])

    def modes(self, x: Tensor) -> dist.Normal:
        """The posterior given each mode, (rows, 2)."""
        precision = CLUSTER_SD**-2 + NOISE_SD**-2
        centres = x.new_tensor([-CLUSTER_CENTRE, CLUSTER_CENTRE]) / CLUSTER_SD**2
        loc = (centres + (x - self.shift)[:, None] / NOISE_SD**2) / precision
        return dist.Normal(loc, torch.full_like(loc, precision**-0.5))

    def _by_mode(self, x: Tensor) -> Tensor:
        """Log p(x, mode), (rows, 2)."""
        centres = x.new_tensor([-CLUSTER_CENTRE, CLUSTER_CENTRE]) + self.shift
        spread = (CLUSTER_SD**2 + NOISE_SD**2) ** 0.5
        return dist.Normal(centres, spread).log_prob(x[:, None]) - torch.tensor(2.0).log()


class StudentPair(nn.Module):
    """(z, x) bivariate Student-t with 2 degrees of freedom; x | z and z | x have 3."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.StudentT(FREEDOM, x.new_zeros(()), 1.0))
            return pyro.sample("x", given_other(z, self.shift), obs=x)

    def log_evidence(self, x: Tensor) -> Tensor:
        return dist.StudentT(FREEDOM, self.shift, 1.0).log_prob(x)

    def posterior(self, x: Tensor) -> dict:
        return {"z": given_other(x - self.shift, torch.zeros_like(self.shift))}


def given_other(value: Tensor, shift: Tensor) -> dist.StudentT:
    """One of the pair given the other."""
    square = (1 - CORRELATION**2) * (FREEDOM + value.square()) / (FREEDOM + 1)
    return dist.StudentT(FREEDOM + 1, shift + CORRELATION * value, square.sqrt())


class NoLogDet(LowerCholeskyAffine):
    """An affine map whose author forgot its log-determinant."""

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return super().log_abs_det_jacobian(x, y) * 0


def factors() -> ProbabilisticPCA:
    """Two latents and six features; the first three say less than all six."""
    model = ProbabilisticPCA(6, 2)
    weight = [[1.0, 0.3], [0.2, 0.8], [0.5, -0.4], [0.9, 0.5], [-0.3, 1.0], [0.6, 0.6]]
    with torch.no_grad():
        model.weight.copy_(torch.tensor(weight))
        model.log_scale.fill_(-0.4)
    return model


def collapsed() -> ProbabilisticPCA:
    """The same with a decoder that does not look at z, and noise that covers what it explained."""
    model, source = factors(), factors()
    with torch.no_grad():
        variance = source.weight.square().sum() / 6 + (2 * source.log_scale).exp()
        model.weight.zero_()
        model.log_scale.copy_(variance.log() / 2)
    return model


def exact(model: nn.Module, x: Tensor) -> dist.TorchDistribution:
    return model.posterior(x)["z"]


def narrow(model: nn.Module, x: Tensor) -> dist.TorchDistribution:
    q = exact(model, x)
    return dist.MultivariateNormal(q.loc, scale_tril=NARROW * q.scale_tril)


def half_of_x(model: nn.Module, x: Tensor) -> dist.TorchDistribution:
    """The exact posterior given the first three features: all that they can tell."""
    part = ProbabilisticPCA(HALF, 2)
    part.weight.data, part.mu.data = model.weight[:HALF], model.mu[:HALF]
    part.log_scale.data = model.log_scale
    return exact(part, x[:, :HALF])


def no_log_det(model: nn.Module, x: Tensor) -> dist.TorchDistribution:
    q = exact(model, x)
    base = dist.Normal(torch.zeros_like(q.loc), 1.0).to_event(1)
    return dist.TransformedDistribution(base, [NoLogDet(q.loc, q.scale_tril[0])])


def likelier_mode(model: nn.Module, x: Tensor) -> dist.TorchDistribution:
    return model.likelier(x)


def same_moments(model: nn.Module, x: Tensor) -> dist.TorchDistribution:
    """The normal with the exact mean and sd."""
    q = exact(model, x)
    return dist.Normal(q.mean, q.variance.sqrt())


def best_normal(model: nn.Module, x: Tensor) -> dist.TorchDistribution:
    """The normal with the highest bound."""
    q = exact(model, x)
    return dist.Normal(q.loc, BEST_SCALE * q.scale)


@dataclass(frozen=True)
class Exhibit:
    """One failure.

    Attributes:
        story: what is wrong.
        model: makes the healthy model, which the data come from.
        guide: (model, x) -> the sick q(z | x).
        sick: makes the sick model, where that differs.
    """

    story: str
    model: Callable[[], nn.Module]
    guide: Callable[[nn.Module, Tensor], dist.TorchDistribution]
    sick: Callable[[], nn.Module] | None = None


EXHIBITS = {
    "narrow": Exhibit("guide's sds are 0.4 of the posterior's", factors, narrow),
    "one_mode": Exhibit("guide has the likelier of two modes only", TwoModes, likelier_mode),
    "collapse": Exhibit(
        "decoder ignores z; the prior is its posterior", factors, exact, collapsed
    ),
    "half_of_x": Exhibit("encoder ignores three of six features", factors, half_of_x),
    "no_log_det": Exhibit("log q lacks log |det L|; its draws are exact", factors, no_log_det),
    "heavy_tails": Exhibit(
        "best normal guide, Student-t posterior (3 df)", StudentPair, best_normal
    ),
    "same_moments": Exhibit("normal guide of exact mean and sd, same", StudentPair, same_moments),
}


def pair(name: str, rows: int = 200, seed: int = 0) -> tuple[Fit, Fit]:
    """The healthy fit and the sick one, on data from the healthy model."""
    shown = EXHIBITS[name]
    x = simulated(shown.model(), rows, seed)
    return fixed_fit(shown.model(), exact, x), fixed_fit(
        (shown.sick or shown.model)(), shown.guide, x
    )


def simulated(model: nn.Module, rows: int, seed: int) -> Tensor:
    """Data of that many rows from the model."""
    width = (rows, 6) if isinstance(model, ProbabilisticPCA) else (rows,)
    with zoo.isolation.isolated(seed=seed), torch.no_grad(), pyro.poutine.block():
        return pyro.poutine.uncondition(model)(torch.zeros(width))


def fixed_fit(model: nn.Module, q: Callable, x: Tensor) -> Fit:
    """A fit in which nothing was trained."""

    def guide(x: Tensor) -> None:
        with torch.no_grad():
            posterior = q(model, x)
        with pyro.plate("data", len(x)):
            pyro.sample("z", posterior)

    return zoo.fit(model, guide, x, steps=1, lr=1e-30, batch_size=None, compile=False)
