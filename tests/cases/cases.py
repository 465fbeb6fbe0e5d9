"""What the tests say of every model and guide in the tables, and helpers that many tests share."""

from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from cases_densities import DENSITY_CASES
from cases_energies import ENERGY_CASES
from cases_flows import FLOW_CASES
from cases_hierarchical import HIERARCHICAL_CASES
from cases_posteriors import POSTERIOR_CASES
from cases_sequences import SEQUENCE_CASES
from cases_series import SERIES_CASES
from cases_targets import TARGET_CASES
from cases_vaes import VAE_CASES
from model_case import ROWS, ModelCase, Site, local_normal, pixels, reals
from torch import Tensor, nn

from guides import GUIDES
from zoo.isolation import isolated, seed_all
from zoo.models.discrete.bernoulli_latent import BernoulliLatent
from zoo.models.discrete.categorical_vae import CategoricalVAE
from zoo.models.discrete.gaussian_mixture import GaussianMixture
from zoo.models.discrete.jigsaw import Jigsaw
from zoo.models.discrete.latent_permutation import LatentPermutation
from zoo.models.discrete.sigmoid_belief import SigmoidBeliefNet
from zoo.models.linear.factor_analysis import FactorAnalysis
from zoo.models.linear.ppca import ProbabilisticPCA
from zoo.models.regression.gp_regression import GPRegression
from zoo.models.regression.linear_regression import LinearRegression
from zoo.models.regression.logistic_regression import LogisticRegression
from zoo.models.targets.banana import Banana
from zoo.models.targets.neals_funnel import NealsFunnel
from zoo.program import build

IDENTITY = 1e-8
AUTODIFF = 1e-4
ERRORS = 5  # standard errors


def labelled(rows: int) -> tuple[Tensor, Tensor]:
    return torch.randn(rows, 3), torch.bernoulli(torch.full((rows,), 0.5))


def regressed(rows: int) -> tuple[Tensor, Tensor]:
    return torch.randn(rows, 3), torch.randn(rows)


def places(rows: int) -> tuple[Tensor, Tensor]:
    return torch.linspace(0.0, 3.0, 5).double(), torch.randn(5)


def triples(rows: int) -> tuple[Tensor]:
    return (torch.randn(rows, 3),)


def puzzles(rows: int) -> tuple[Tensor]:
    """Three tiles of two bits."""
    return (torch.bernoulli(torch.full((rows, 3, 2), 0.4)),)


MODEL_CASES: dict[str, ModelCase] = {
    "ppca": ModelCase(
        lambda: ProbabilisticPCA(5, 2), reals, {"z": local_normal(2)}, ("x",), "data", 5, ()
    ),
    **HIERARCHICAL_CASES,
    "logistic_regression": ModelCase(
        lambda: LogisticRegression(3),
        labelled,
        {"beta": Site("continuous", "global", (3,), (), (), 3)},
        ("y",),
        "data",
        4,
        (64, 64),
    ),
    **VAE_CASES,
    **DENSITY_CASES,
    **ENERGY_CASES,
    **FLOW_CASES,
    **TARGET_CASES,
    **SERIES_CASES,
    **POSTERIOR_CASES,
    "bernoulli_latent": ModelCase(
        lambda: BernoulliLatent(6, (8,), 3),
        pixels,
        {"z": Site("discrete", "local", (3,), (ROWS,), ("data",), 0)},
        ("x",),
        "data",
        6,
        (8,),
    ),
    "categorical_vae": ModelCase(
        lambda: CategoricalVAE(6, 2, 3, (8,)),
        pixels,
        {"z": Site("discrete", "local", (2, 3), (ROWS,), ("data",), 0)},
        ("x",),
        "data",
        6,
        (8,),
    ),
    "sigmoid_belief": ModelCase(
        lambda: SigmoidBeliefNet(6, (2, 3), learned_prior=True),
        pixels,
        {
            "z2": Site("discrete", "local", (2,), (ROWS,), ("data",), 0),
            "z1": Site("discrete", "local", (3,), (ROWS,), ("data",), 0),
        },
        ("x",),
        "data",
        6,
        (3,),
    ),
    "factor_analysis": ModelCase(
        lambda: FactorAnalysis(5, 2), reals, {"z": local_normal(2)}, ("x",), "data", 5, ()
    ),
    "linear_regression": ModelCase(
        lambda: LinearRegression(3),
        regressed,
        {"beta": Site("continuous", "global", (3,), (), (), 3)},
        ("y",),
        "data",
        4,
        (64, 64),
    ),
    "gaussian_mixture": ModelCase(
        lambda: GaussianMixture(5, 3),
        reals,
        {"z": Site("discrete", "local", (3,), (ROWS,), ("data",), 0)},
        ("x",),
        "data",
        5,
        (64, 64),
    ),
    "latent_permutation": ModelCase(
        lambda: LatentPermutation(3),
        triples,
        {"pi": Site("permutation", "local", (3,), (ROWS,), ("data",), 0)},
        ("x",),
        "data",
        3,
        (64, 64),
    ),
    "jigsaw": ModelCase(
        lambda: Jigsaw(*puzzles(20), prototypes=2),
        puzzles,
        {"pi": Site("permutation", "local", (3,), (ROWS,), ("data",), 0)},
        ("x",),
        "data",
        6,
        (64, 64),
    ),
    **SEQUENCE_CASES,
    "gp_regression": ModelCase(
        GPRegression,
        places,
        {"f": Site("continuous", "global", (5,), (), (), 5)},
        ("y",),
        None,
        0,
        (64, 64),
        nesting=0,
    ),
    "neals_funnel": ModelCase(
        lambda: NealsFunnel(2),
        lambda rows: (torch.tensor([3.0, 1.0, 0.5]).double(),),
        {
            "v": Site("continuous", "global", (), (), (), 1),
            "x": Site("continuous", "global", (2,), (), (), 2),
        },
        (),
        None,
        0,
        (64, 64),
        nesting=0,
    ),
    "banana": ModelCase(
        lambda: Banana(0.2),
        lambda rows: (torch.tensor([3.0, 1.0]).double(),),
        {name: Site("continuous", "global", (), (), (), 1) for name in ("x1", "x2")},
        (),
        None,
        0,
        (64, 64),
        nesting=0,
    ),
}


@contextmanager
def built(model, guide, objective, args, *, device="cpu", seed=0, **settings):
    """A program, in the isolation that training gives it; parameters moved off special values."""
    with isolated(seed=seed):
        program = build(model, guide, objective, args, device=device, **settings)
        scatter(program)
        yield program


@torch.no_grad()
def scatter(module: nn.Module, spread: float = 0.1, seed: int = 2) -> None:
    """Moves every parameter a little, so that no gradient vanishes by symmetry."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        noise = torch.randn(parameter.shape, generator=generator).to(parameter)
        parameter.add_(spread * noise)


def clock(device="cpu", step=0.0) -> Tensor:
    return torch.full((), step, device=device)


def step_of(program, args, *, seed=0, rows=None, step=0.0):
    """Loss and the gradients of all parameters by name, at a seed."""
    program.zero_grad(set_to_none=True)
    seed_all(seed)
    loss = program.backward(clock(args[0].device, step), rows, *args)
    grads = {name: p.grad for name, p in program.named_parameters() if p.grad is not None}
    return loss, {name: grad.clone() for name, grad in grads.items()}


def flat(tensors) -> Tensor:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def relative_error(found: Tensor, exact: Tensor) -> float:
    """Largest error, relative to the largest value."""
    return float((found - exact).abs().max() / exact.abs().max().clamp(min=1e-12))


def standard_error(values: Tensor) -> Tensor:
    """Of the mean over the first dimension."""
    return values.std(0) / len(values) ** 0.5


def unvectorised(program):
    """The same program with its particles in a loop."""
    program.latents = replace(program.latents, vectorises=False)
    return program


def guide_of(name: str) -> Any:
    return GUIDES[name]


def conjugate_rows(x: Tensor) -> None:
    """z_n ~ N(0, 1), x_n ~ N(z_n, 1): log p(x_n) = log N(x_n; 0, 2), all known."""
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(x.new_zeros(()), 1.0))
        pyro.sample("x", dist.Normal(z, 1.0), obs=x)


def conjugate_evidence(x: Tensor) -> Tensor:
    """Exact log p(x_n) under `conjugate_rows`, nats, shape (rows,)."""
    return dist.Normal(0.0, 2.0**0.5).log_prob(x)


def named(value) -> str:
    """Name of a parameter in a test's name, the same in every process."""
    function = getattr(value, "func", value)
    return getattr(function, "__name__", str(value))
