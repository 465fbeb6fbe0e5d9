"""Tasks that train in a moment, with the exact guides of probabilistic PCA."""

import pyro
import pyro.distributions as dist
import torch
from torch import nn

from guides import AmortisedFullRank, AmortisedNormal
from guides.parts.normal import SMALL_SCALE
from zoo.data import Data, keep
from zoo.latents import describe
from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.linear.ppca import ProbabilisticPCA
from zoo.task import Task


def small_data(name, train, valid, test):
    """Batches as they are, without pictures or binarization."""
    return Data(
        name=name,
        train=(train,),
        valid=(valid,),
        test=(test,),
        rowwise=True,
        image=None,
        observe=keep,
        labels=("x",),
        binarize="none",
        seed=0,
        hash=name,
    )


def ppca_task(rows=40, features=5, latent=2, seed=0):
    """Probabilistic PCA on data from another one; 20 valid and 30 test rows."""
    generator = torch.Generator().manual_seed(seed)
    source = torch.randn(latent, features, generator=generator)
    codes = torch.randn(rows + 50, latent, generator=generator)
    x = codes @ source + 0.5 * torch.randn(rows + 50, features, generator=generator)
    data = small_data("small", x[:rows], x[rows : rows + 20], x[rows + 20 :])
    return Task("ppca", lambda: ProbabilisticPCA(features, latent), data)


def fitted_ppca_task(**sizes):
    """The same with the maximum-likelihood model, in which the two latents are not independent."""
    task = ppca_task(**sizes)
    model = task.build()
    model.fit_closed_form(*task.split("train"))
    turn = torch.tensor([[0.8, -0.6], [0.6, 0.8]])  # any rotation has the same likelihood
    with torch.no_grad():
        model.weight.copy_(model.weight @ turn)
    return Task("ppca", lambda: model, task.data)


def causes_task(rows=30, features=6, latent=3):
    """Few binary causes: all 2^K states can be summed."""
    generator = torch.Generator().manual_seed(0)
    x = torch.bernoulli(torch.full((rows + 40, features), 0.4), generator=generator)
    data = small_data("bits", x[:rows], x[rows : rows + 20], x[rows + 20 :])
    return Task("causes", lambda: BernoulliLatent(features, (8,), latent), data)


class Regression(nn.Module):
    """A user's own model with a parameter, rows under a plate of another name."""

    def __init__(self):
        super().__init__()
        self.log_noise = nn.Parameter(torch.zeros(()))

    def forward(self, x, y):
        w = pyro.sample("w", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        with pyro.plate("rows", len(x)):
            return pyro.sample("y", dist.Normal(x @ w, self.log_noise.exp()), obs=y)


def regression():
    x = torch.randn(20, 2)
    return Regression(), x, x @ torch.tensor([1.0, -1.0]) + 0.1 * torch.randn(20)


def exact_guide(task):
    """AmortisedFullRank with the exact posterior of the task's model as its parameters."""
    model, (x,) = task.build(), task.split("train")
    guide = AmortisedFullRank(describe(model, x), body=nn.Identity())
    factor = torch.linalg.cholesky(model.posterior(x)["z"].covariance_matrix[0])
    diagonal = unscaled(factor.diagonal()) - SMALL_SCALE
    below = factor[tuple(torch.tril_indices(2, 2, offset=-1))]
    _set_head(guide.encoder.heads[0], model, torch.cat([diagonal, below]))
    return guide


def best_diagonal_guide(task):
    """AmortisedNormal at its optimum: the exact mean, and variances 1 / P_ii."""
    model, (x,) = task.build(), task.split("train")
    guide = AmortisedNormal(describe(model, x), body=nn.Identity())
    precision = model.posterior(x)["z"].precision_matrix[0]
    _set_head(guide.encoder.heads[0], model, unscaled(precision.diagonal().rsqrt()))
    return guide


def unscaled(scale):
    """What `guides.parts.plates.positive` maps to `scale`."""
    return scale.expm1().log()


@torch.no_grad()
def _set_head(head, model, spread):
    """Linear head: the exact posterior mean, then numbers that do not depend on the row."""
    to_mean = torch.linalg.solve(
        model.weight.mT @ model.weight + (2 * model.log_scale).exp() * torch.eye(2),
        model.weight.mT,
    )
    head.weight.zero_()
    head.weight[:2] = to_mean
    head.bias.copy_(torch.cat([-to_mean @ model.mu, spread]))
