"""Models and data that do not suit an objective: what is said, and the way out."""

import torch
from refused_models import case, many_bits, numbers, parts, two_levels

from guides import (
    AmortisedDiscrete,
    AmortisedNormal,
    AmortisedPlackettLuce,
    Empty,
    MeanField,
    PerDatum,
)
from zoo.models.discrete.latent_permutation import LatentPermutation
from zoo.objectives import Neural, Reinforce

OF_MODELS = {
    "an unknown constant": (
        case("rbm"),
        Empty,
        "trace",
        "log Z, a constant of its parameters whose gradient Trace does not estimate",
        "Use an objective for energies: pcd or cd.",
    ),
    "simulated data that are no argument": (
        case("dequantised_vae"),
        AmortisedNormal,
        "wake_sleep",
        "what 'x' observes is not one as it was passed",
        "or use rws with sleep=0.",
    ),
    "too many permutations to sum": (
        (LatentPermutation(7), (torch.zeros(3, 7),)),
        AmortisedPlackettLuce,
        "enumerate",
        "'pi' is a permutation. Expected at most 6 items, which have 720 permutations, to sum",
        "got 7, which have 7! = 5040. Use a guide for it and rloo.",
    ),
    "nothing to sum": (
        case("ppca"),
        AmortisedNormal,
        "enumerate",
        "sums out finite discrete or permutation latents; the model has none among 'z'",
        "Use trace.",
    ),
    "sums at two levels": (
        numbers(two_levels),
        Empty,
        "enumerate",
        "'own' belongs to a row and 'common' is shared",
        "Use Pyro's TraceEnum_ELBO, which sums over both.",
    ),
    "nothing finite to sum over": (
        case("ppca"),
        AmortisedNormal,
        "layer_sum",
        "LayerSum sums over one finite latent; the model has none among 'z'",
        "Use rloo, which takes any.",
    ),
    "row parameters cannot read simulated data": (
        case("ppca"),
        PerDatum,
        "wake_sleep",
        "rows that the model simulates; PerDatum has parameters for the given rows only",
        "Use an amortised guide, or forward_kl, which simulates no data.",
    ),
    "the same for a share of sleep": (
        case("ppca"),
        PerDatum,
        "rws",
        "trains the guide on rows that the model simulates; PerDatum has parameters",
        "Use an amortised guide, or forward_kl, which simulates no data.",
    ),
    "no rows to simulate": (
        case("logistic_regression"),
        MeanField,
        "rws",
        "trains the guide on rows that the model simulates; 'beta' do not all belong to rows",
        "Use forward_kl, which simulates no data, or put the rows and their latents in a plate",
    ),
    "a sum over too many states": (
        numbers(many_bits),
        AmortisedDiscrete,
        "enumerate",
        "takes 131072 joint states; the limit is 65536",
        "Use a guide for them and an objective that draws them, such as trace_graph",
    ),
    "a network of rows where there are none": (
        case("eight_schools"),
        MeanField,
        Reinforce(baselines=(Neural(),)),
        "A neural baseline reads data rows; not all of 'mu', 'tau', 'theta' lie in a row plate",
        "Use DecayingAverage(), or put row-wise latents in a plate named 'data'.",
    ),
    "a logarithm of weights that are estimated": (
        (parts, (torch.zeros(3, 4),)),
        AmortisedNormal,
        "iwae",
        "under plate 'cols', of which the model draws a part, each weight is a random estimate",
        "Give that plate all of its elements (no subsample_size), or use trace.",
    ),
}
