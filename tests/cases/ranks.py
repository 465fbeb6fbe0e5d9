"""What the tests of several ranks run in processes of their own."""

import json
from functools import partial
from pathlib import Path

import pyro
import pyro.distributions as dist
import torch
import torch.distributed
from pyro.infer import TraceGraph_ELBO
from small_tasks import causes_task, ppca_task
from torch import nn

import zoo
from guides import AmortisedDiscrete, AmortisedNormal

NOISE, FEATURES = 2, 3  # columns of a row: its noise, then what is observed


class Centred(nn.Module):
    """A network for z of each row and a mean that all rows share; the data carry the noise."""

    def __init__(self):
        super().__init__()
        self.decode = nn.Sequential(nn.Linear(NOISE, FEATURES), nn.BatchNorm1d(FEATURES))
        self.decode[1].momentum = 0.3

    def forward(self, x):
        shift = pyro.sample("shift", dist.Normal(torch.zeros(FEATURES), 1.0).to_event(1))
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(len(x), NOISE), 1.0).to_event(1))
            self.decode[1](z @ torch.ones(NOISE, FEATURES))  # only its averages are of interest
            seen = dist.Normal(self.decode[0](z) + shift, 1.0).to_event(1)
            pyro.sample("x", seen, obs=x[:, NOISE:])


class Given(nn.Module):
    """A guide whose draws follow from the row: its noise is in the first columns."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.full((FEATURES,), 0.3))
        self.encode = nn.Linear(FEATURES, 2 * NOISE)

    def forward(self, x):
        pyro.sample("shift", dist.Delta(self.shift).to_event(1))
        loc, log_scale = self.encode(x[:, NOISE:]).chunk(2, dim=-1)
        z = loc + log_scale.exp() * x[:, :NOISE]
        log_q = dist.Normal(loc, log_scale.exp()).to_event(1).log_prob(z)
        with pyro.plate("data", len(x)):
            pyro.sample("z", dist.Delta(z, log_density=log_q, event_dim=1))


def with_given_noise(batch_size):
    """A fit whose noise is in the data, with a gradient that is clipped."""
    torch.manual_seed(1)
    x, model, guide = torch.randn(21, NOISE + FEATURES), Centred(), Given()
    return zoo.fit(
        model, guide, x, steps=15, lr=0.05, batch_size=batch_size, clip_norm=20.0, average=False
    )


def causes_guide(x):
    """Binary causes without a network, with a baseline that Pyro keeps in its parameter store."""
    logits = pyro.param("logits", torch.zeros(3))
    baseline = {"baseline": {"use_decaying_avg_baseline": True}}
    with pyro.plate("data", len(x)):
        pyro.sample(
            "z", dist.Bernoulli(logits=logits).expand([len(x), 3]).to_event(1), infer=baseline
        )


class Recording(nn.Module):
    """A guide with a shared latent that notes its draws."""

    def __init__(self):
        super().__init__()
        self.loc, self.drawn = nn.Parameter(torch.zeros(())), []

    def forward(self, x):
        draw = pyro.sample("mean", dist.Normal(self.loc, 1.0))
        self.drawn.append(draw.item())


def shared_mean(x):
    """Rows about one mean."""
    mean = pyro.sample("mean", dist.Normal(torch.zeros(()), 1.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


def later_guide():
    """A guide that states a parameter after some runs only."""
    runs = []

    def guide(x):
        runs.append(1)
        loc = pyro.param("loc", torch.zeros(()))
        if len(runs) > 30:
            loc = loc + pyro.param("more", torch.zeros(()))
        pyro.sample("mean", dist.Normal(loc, 1.0))

    return guide


def state_of(fit):
    """What a fit has come to: its tensors by name, and its losses."""
    return fit.program.state_dict() | {"losses": fit.losses}


def take_steps(rank, folder):
    """Fits with given noise and with noise of each rank's own."""
    _meet(rank, folder)
    found = {"batch": state_of(with_given_noise(6)), "all": state_of(with_given_noise(None))}
    noisy = zoo.fit(shared_mean, Recording(), torch.arange(8.0), steps=4, batch_size=4)
    found["noisy"] = state_of(noisy) | {"drawn": torch.tensor(noisy.program.guide.drawn[-4:])}
    torch.save(found, folder / f"{rank}.pt")


def keep_states(rank, folder):
    """Fits with running averages, and one that is written and gone on from."""
    _meet(rank, folder)
    causes = partial(zoo.fit, causes_task(), steps=5, batch_size=8)
    found = {"nvil": state_of(causes(AmortisedDiscrete, objective="nvil"))}
    found["averages"] = causes(causes_guide, objective=TraceGraph_ELBO()).last["averages"]
    settings = {"batch_size": 8, "patience": 9, "valid_every": 4}
    fit = partial(zoo.fit, ppca_task(), AmortisedNormal, **settings)
    place = folder / f"rank {rank}"  # a folder that the other rank never sees
    found["whole"] = state_of(fit(steps=12))
    half = fit(steps=8, checkpoint=place)
    found["written"], found["half"] = (folder / "rank 0" / "fit.json").exists(), len(half.losses)
    further = fit(steps=12, resume=place, checkpoint=place)
    found["further"], found["valid"] = state_of(further), further.valid
    found["reason"] = further.backend_reason
    torch.save(found, folder / f"{rank}.pt")


def refuse(rank, folder):
    """Errors that are of one rank, or that need several to be seen; their texts go to a file."""
    _meet(rank, folder)
    texts, task = {}, ppca_task()
    x = torch.arange(8.0)
    texts["other data"] = _text(zoo.fit, shared_mean, Recording(), x + rank, steps=2, batch_size=4)
    (folder / "held").mkdir(exist_ok=True)
    (folder / "held" / "letter.txt").write_text("mine")
    place = folder / "held"
    texts["occupied"] = _text(zoo.fit, task, AmortisedNormal, steps=2, checkpoint=place)
    texts["divergence"] = _text(
        zoo.fit, shared_mean, Recording(), 1e9 * x, steps=9, batch_size=4, optimizer="sgd", lr=1e99
    )

    texts["late"] = _text(zoo.fit, shared_mean, later_guide(), x, steps=99, batch_size=4)

    def model(x):
        if rank == 1 and len(steps) > 40:
            raise ArithmeticError("the disk of this machine is on fire")
        steps.append(1)
        shared_mean(x)

    steps = []
    texts["fire"] = _text(zoo.fit, model, Recording(), x, steps=999, batch_size=4)
    (folder / f"{rank}.json").write_text(json.dumps(texts))


def _meet(rank, folder: Path):
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    place = f"file://{folder}/store"
    torch.distributed.init_process_group("gloo", init_method=place, rank=rank, world_size=2)


def _text(call, *args, **settings):
    try:
        call(*args, **settings)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no error"
