"""Pairs that get their data in other ways than as one tensor."""

from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from foreign.case import Built, Case, Refused
from foreign.oracles import Exact, Grid, RowGrid, sampled_bound
from pyro.contrib import gp
from pyro.infer.autoguide import AutoNormal, init_to_mean
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

ROWS = 6
MEAN = (-9.0, 9.0, 180)


def data():
    return torch.linspace(-0.5, 1.5, ROWS)


def observe(x, shift=0.0):
    """One latent for all rows; the data's spread is trained."""
    spread = pyro.param("spread", torch.tensor(1.5))
    z = pyro.sample("z", dist.Normal(torch.zeros(()), 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(z + shift, spread), obs=x)


def approximate():
    loc = pyro.param("loc", torch.tensor(0.3))
    pyro.sample("z", dist.Normal(loc, 0.6))


def no_arguments():
    """The data are in the closure."""
    x = data()

    def model():
        observe(x)

    def guide():
        approximate()

    return Built(model, guide)


def only_keywords():
    def model(*, x, shift=0.0):
        observe(x, shift)

    def guide(*, x, shift=0.0):
        approximate()

    return Built(model, guide, kwargs={"x": data(), "shift": 0.2})


def both():
    """Covariates by position, observations by keyword, as Pyro's tutorials call a regression."""

    def model(x, y=None):
        w = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(w * x, pyro.param("noise", x.new_tensor(1.2))), obs=y)

    return Built(model, lambda x, y=None: approximate(), (data(),), {"y": data().cos()})


def dictionary():
    def model(batch):
        observe(batch["x"], batch["shift"])

    return Built(model, lambda batch: approximate(), ({"x": data(), "shift": torch.tensor(0.2)},))


@dataclass
class Batch:
    """Observations and what they are shifted by."""

    x: Tensor
    shift: float


def dataclass_batch():
    def model(batch):
        observe(batch.x, batch.shift)

    return Built(model, lambda batch: approximate(), (Batch(data(), 0.2),))


def ragged():
    """A list of groups of different lengths, and a number."""
    groups = [data()[:1], data()[1:3], data()[3:]]

    def model(groups, spread):
        z = pyro.sample("z", dist.Normal(pyro.param("centre", torch.tensor(0.1)), 1.0))
        for i, group in enumerate(groups):
            with pyro.plate(f"group_{i}", len(group)):
                pyro.sample(f"x_{i}", dist.Normal(z, spread), obs=group)

    return Built(model, lambda groups, spread: approximate(), (groups, 1.5))


def packed():
    """Sequences of several lengths, packed, under a recurrent encoder."""
    encoder, last = nn.GRU(1, 3), nn.Linear(3, 2)
    lengths = torch.tensor([4, 3, 1])
    padded = torch.linspace(-0.5, 1.5, 12).reshape(4, 3, 1)
    sequences = pack_padded_sequence(padded, lengths)

    def model(x: PackedSequence):
        spread = pyro.param("spread", torch.tensor(1.2))
        padded, lengths = pad_packed_sequence(x)
        present = torch.arange(len(padded))[:, None] < lengths
        with pyro.plate("data", len(lengths)):
            z = pyro.sample("z", dist.Normal(torch.zeros(3, 1), 1.0).to_event(1))
            times = dist.Normal(z[..., :1], spread).expand([len(lengths), 4])
            values = padded.squeeze(-1).t()
            pyro.sample("x", times.mask(present.t()).to_event(1), obs=values)

    def guide(x: PackedSequence):
        pyro.module("encoder", encoder)
        pyro.module("last", last)
        _, hidden = encoder(x)
        with pyro.plate("data", 3):
            loc, log_scale = last(hidden[0]).chunk(2, -1)
            pyro.sample("z", dist.Normal(loc, (0.3 * log_scale).exp()).to_event(1))

    return Built(model, guide, (sequences,), modules=(encoder, last))


def double_in_single():
    """A float64 model in a process whose default is float32."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(1, 3)

        def forward(self, x):
            pyro.module("model", self)
            with pyro.plate("data", len(x)):
                z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), 1), 1.0).to_event(1))
                pyro.sample("x", dist.Normal(self.net(z), x.new_tensor(1.0)).to_event(1), obs=x)

    def guide(x):
        loc = pyro.param("loc", lambda: x.mean(1, keepdim=True) / 2)
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Normal(loc, x.new_tensor(0.9)).to_event(1))

    model = Model().double()
    x = torch.linspace(-1.0, 1.5, 15, dtype=torch.float64).reshape(5, 3)
    return Built(model, guide, (x,), modules=(model,))


def gaussian_process():
    """Pyro's own module, which keeps its data and takes no arguments; the latent is a scale."""
    x = data()
    kernel = gp.kernels.RBF(input_dim=1)
    process = gp.models.GPRegression(x, x.cos(), kernel, noise=torch.tensor(0.5))
    kernel.lengthscale = pyro.nn.PyroSample(dist.LogNormal(torch.tensor(0.0), 0.5))
    guide = AutoNormal(process.model, init_loc_fn=init_to_mean, init_scale=0.5)
    return Built(process.model, guide, modules=(process,))


def variational_process():
    """Its guide is a method of the module; the values of the process are latent."""
    x = data()
    process = gp.models.VariationalGP(
        x,
        x.cos(),
        gp.kernels.RBF(input_dim=1),
        gp.likelihoods.Gaussian(torch.tensor(0.5)),
        whiten=True,
        jitter=0.1,
    )
    return Built(process.model, process.guide, modules=(process,))


def gaussian_evidence(built):
    """Pyro's module scores y under the guide's moments of f, here 0 and 1, and not under its draw.

    The variance is that of f with its jitter, and of the noise.
    """
    return dist.Normal(0.0, (1.0 + 0.1 + 0.5) ** 0.5).log_prob(data().cos()).sum()


CASES = (
    Case(
        "no arguments",
        no_arguments,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Grid(z=MEAN),
        saved=True,
    ),
    Case(
        "only keyword arguments",
        only_keywords,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Grid(z=MEAN),
        saved=True,
    ),
    Case(
        "observations by keyword",
        both,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Grid(z=MEAN),
        saved=True,
    ),
    Case(
        "data in a dictionary",
        dictionary,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Grid(z=MEAN),
        saved=True,
    ),
    Case(
        "data in a dataclass",
        dataclass_batch,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Grid(z=MEAN),
        saved=True,
    ),
    Case(
        "groups of several lengths",
        ragged,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Grid(z=MEAN),
        saved=True,
    ),
    Case(
        "packed sequences",
        packed,
        in_place=True,
        captured=Refused("(?i)packed"),
        elbo_score=sampled_bound,
        evidence=RowGrid("z", (-8.0, 8.0, 100), (3, 1)),
        saved=True,
    ),
    Case(
        "float64 in a float32 process",
        double_in_single,
        default=torch.float32,
        captured=True,
        elbo_score=sampled_bound,
        evidence=RowGrid("z", (-8.0, 8.0, 100), (5, 1)),
        saved=True,
    ),
    Case(
        "Gaussian process with a random length scale",
        gaussian_process,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Grid(**{"kernel.lengthscale": (0.0, 12.0, 600)}),
        saved=True,
    ),
    Case(
        "Gaussian process with its own guide",
        variational_process,
        captured=True,
        elbo_score=sampled_bound,
        evidence=Exact(gaussian_evidence),
        saved=True,
    ),
)
