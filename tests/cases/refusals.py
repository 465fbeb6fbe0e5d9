"""What does not go together: a case for each rule, with what is said and the way out."""

import torch
from cases import MODEL_CASES
from pyro.infer import TraceMeanField_ELBO
from refused_models import (
    counts,
    hierarchical,
    integers,
    many_bits,
    parts,
    sphere,
    stick,
    two_levels,
    unsized,
)

from guides import (
    IAF,
    AmortisedDiscrete,
    AmortisedLayers,
    AmortisedNormal,
    Empty,
    FullRank,
    MeanField,
    PerDatum,
    Relaxed,
    SharedEncoder,
    UniformNoise,
)
from zoo.objectives import Neural, Reinforce


def case(name):
    model, args = MODEL_CASES[name].make()
    return model, args


def numbers(model):
    return model, (torch.randn(6),)


RULES = {
    "an unknown constant": (
        case("rbm"),
        Empty,
        "trace",
        "log Z, a constant of its parameters whose gradient Trace does not estimate",
        "Use an objective for energies: pcd or cd.",
    ),
    "nothing latent to cover": (
        case("nade"),
        AmortisedNormal,
        "trace",
        "The model has no latents, so that its log p(x) is exact and AmortisedNormal has nothing",
        "Use Empty and trace, which maximise log p(x) itself.",
    ),
    "global guide on a local latent": (
        case("ppca"),
        MeanField,
        "trace",
        "MeanField covers global continuous latents; 'z' is local and continuous",
        "Use a guide for local continuous latents.",
    ),
    "local guide on a global latent": (
        case("eight_schools"),
        AmortisedNormal,
        "trace",
        "AmortisedNormal covers local continuous latents; 'mu' is global and continuous",
        "Use a guide for global continuous latents.",
    ),
    "one latent of two": (
        numbers(hierarchical),
        MeanField,
        "trace",
        "'z' is local and continuous",
        "Use a guide for local continuous latents.",
    ),
    "continuous guide on a discrete latent": (
        case("bernoulli_latent"),
        AmortisedNormal,
        "trace",
        "'z' is local and discrete: each data row has its own. Its values are vectors of zeros",
        "Use a guide for local discrete latents, or an objective that sums it out: enumerate.",
    ),
    "a support that moves": (
        numbers(stick),
        MeanField,
        "trace",
        "MeanField maps 'b' to a support that stays as it is; that of 'b' depends on other",
        "Let the model draw a number from a fixed support and transform it",
    ),
    "no network to share": (
        case("bernoulli_vae"),
        SharedEncoder,
        "trace",
        "SharedEncoder uses the model's own recognition network; this model has none",
        "Use amortised_normal, or a VampPrior (prior 'vamp').",
    ),
    "no noise to be uniform": (
        case("bernoulli_vae"),
        UniformNoise,
        "trace",
        "the model has 'z', none of them on [0, 1]",
        "Use amortised_normal.",
    ),
    "simulated data that are no argument": (
        case("dequantised_vae"),
        AmortisedNormal,
        "wake_sleep",
        "what 'x' observes is not one as it was passed",
        "or use rws with sleep=0.",
    ),
    "infinitely many values": (
        numbers(counts),
        AmortisedDiscrete,
        "trace",
        "'k' is local and discrete",
        "Use a guide for local discrete latents.",
    ),
    "integers are not relaxed": (
        numbers(integers),
        Relaxed,
        "trace",
        "'k' is local and discrete",
        "or an objective that sums it out: enumerate.",
    ),
    "points on a sphere": (
        numbers(sphere),
        IAF,
        "trace",
        "'z' is global and spherical: all data rows share it. Its values are points on a sphere",
        "Use a guide for global spherical latents.",
    ),
    "no guide": (
        case("ppca"),
        Empty,
        "trace",
        "Empty covers no latents; 'z' is local and continuous",
        "Use a guide for local continuous latents.",
    ),
    "nothing to sum": (
        case("ppca"),
        AmortisedNormal,
        "enumerate",
        "sums out finite discrete latents; the model has none among 'z'",
        "Use trace.",
    ),
    "all summed already": (
        case("bernoulli_latent"),
        AmortisedNormal,
        "enumerate",
        "the model has none besides ['z'], which the objective sums out",
        "Use a guide for discrete latents, or Empty",
    ),
    "not reparameterised": (
        case("bernoulli_latent"),
        AmortisedDiscrete,
        "mean_field",
        "differentiates through the draws of 'z'; those of AmortisedDiscrete are not",
        "Use a relaxed guide, or an objective with a score-function term: trace_graph.",
    ),
    "nothing for a baseline": (
        case("ppca"),
        AmortisedNormal,
        "nvil",
        "puts baselines on draws that are not reparameterised; those of AmortisedNormal all are",
        "Use trace, or trace_graph without baselines.",
    ),
    "joint, where factors are wanted": (
        case("eight_schools"),
        IAF,
        "mean_field",
        "takes each latent's KL term in closed form; IAF draws all latents jointly",
        "Use a factorised guide, or trace.",
    ),
    "the same for Pyro's own": (
        case("eight_schools"),
        IAF,
        TraceMeanField_ELBO(),
        "takes each latent's KL term in closed form; IAF draws all latents jointly",
        "Use a factorised guide, or trace.",
    ),
    "sums at two levels": (
        numbers(two_levels),
        Empty,
        "enumerate",
        "'own' belongs to a row and 'common' is shared",
        "Use Pyro's TraceEnum_ELBO, which sums over both.",
    ),
    "score of relaxed draws": (
        case("bernoulli_latent"),
        Relaxed,
        "rloo",
        "multiplies the score of draws that are held constant; Relaxed relaxes them",
        "Use a discrete guide, or trace.",
    ),
    "continuous, where bits are flipped": (
        case("ppca"),
        AmortisedNormal,
        "disarm",
        "DisARM takes binary latents; 'z' is continuous: its values are real vectors of 2.",
        "Use rloo, which takes any.",
    ),
    "dependent, where bits are flipped": (
        case("sigmoid_belief"),
        AmortisedLayers,
        "disarm",
        "DisARM moves each element of the latents on its own; those of AmortisedLayers depend on",
        "Use rloo, or a guide whose latents are independent given the data.",
    ),
    "integers, where values are relaxed": (
        numbers(integers),
        AmortisedDiscrete,
        "rebar",
        "REBAR takes binary or one-hot latents; 'k' is integer: its values are whole numbers",
        "Use rloo, which takes any.",
    ),
    "classes, where a density is split": (
        case("categorical_vae"),
        AmortisedDiscrete,
        "measure_valued",
        "takes binary or continuous or unbounded integer latents; 'z' is one-hot",
        "Use rloo, which takes any.",
    ),
    "dependent, where a density is split": (
        case("eight_schools"),
        FullRank,
        "measure_valued",
        "moves each element of the latents on its own; those of FullRank depend on each other",
        "Use rloo, or a guide whose latents are independent given the data.",
    ),
    "nothing finite to sum over": (
        case("ppca"),
        AmortisedNormal,
        "layer_sum",
        "LayerSum sums over one finite latent; the model has none among 'z'",
        "Use rloo, which takes any.",
    ),
    "an empty guide, where one latent is summed": (
        case("sigmoid_belief"),
        Empty,
        "layer_sum",
        "Empty covers no latents; 'z2' is local and discrete",
        "Use a guide for local discrete latents, or an objective that sums it out: enumerate.",
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
    "rows in a plate without a size": (
        numbers(unsized),
        AmortisedNormal,
        "trace",
        "'z' lies in a plate without a size; AmortisedNormal needs to know how many rows",
        "Give the plate the number of rows of the argument that holds them: pyro.plate('data', l",
    ),
    "relaxed, where values are summed": (
        case("bernoulli_latent"),
        Relaxed,
        "enumerate",
        "sums over the values of 'z'; Relaxed replaces them by continuous ones",
        "Use a discrete guide, or trace.",
    ),
    "a logarithm of weights that are estimated": (
        (parts, (torch.zeros(3, 4),)),
        AmortisedNormal,
        "iwae",
        "under plate 'cols', of which the model draws a part, each weight is a random estimate",
        "Give that plate all of its elements (no subsample_size), or use trace.",
    ),
}
