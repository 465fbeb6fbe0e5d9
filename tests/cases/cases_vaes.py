"""What the tests say of the variational autoencoders in the table of models."""

import torch
from model_case import ROWS, ModelCase, Site, local_normal, local_point, pixels, reals
from torch import Tensor
from torch.nn.functional import one_hot

from zoo.decoders import relu_decoder
from zoo.likelihoods import BernoulliLikelihood, DequantisedLikelihood
from zoo.likelihoods.realnvp import RealNVPLikelihood
from zoo.models.vaes.bernoulli_vae import BernoulliVAE
from zoo.models.vaes.dequantised_vae import DequantisedVAE
from zoo.models.vaes.dlgm import DeepLatentGaussian
from zoo.models.vaes.draw import DRAW
from zoo.models.vaes.gaussian_vae import GaussianVAE
from zoo.models.vaes.hvae import HierarchicalVAE
from zoo.models.vaes.hyperbolic_vae import HyperbolicVAE
from zoo.models.vaes.hyperspherical_vae import HypersphericalVAE
from zoo.models.vaes.multimodal_vae import MultimodalVAE
from zoo.models.vaes.self_vae import SelfVAE
from zoo.models.vaes.semi_supervised_vae import SemiSupervisedVAE
from zoo.models.vaes.vae import VAE
from zoo.priors import RealNVPPrior, StandardNormal, VampPrior


def small_vae():
    prior = VampPrior(3, 6, components=4, hidden=(5,))
    return VAE(relu_decoder(3, 6, 1, hidden=(8,)), BernoulliLikelihood(), prior)


def small_dequantised_vae():
    decoder = relu_decoder(3, 6, 2, hidden=(8,))
    return DequantisedVAE(decoder, DequantisedLikelihood(), StandardNormal(3), levels=5)


def greys(rows: int) -> tuple[Tensor]:
    return (torch.randint(0, 5, (rows, 6)).double() / 4,)


def small_flow_vae():
    decoder = relu_decoder(3, 6, 1, hidden=(8,))
    likelihood = RealNVPLikelihood(6, depth=2, hidden=5)
    return DequantisedVAE(decoder, likelihood, RealNVPPrior(3, depth=2, hidden=4), 5)


def small_hierarchy():
    return HierarchicalVAE(6, StandardNormal(2), BernoulliLikelihood(), (2, 3), width=8)


def small_hyperspherical_vae():
    return HypersphericalVAE(relu_decoder(3, 6, 1, hidden=(8,)), BernoulliLikelihood(), 3)


def small_hyperbolic_vae():
    return HyperbolicVAE(relu_decoder(3, 6, 1, hidden=(8,)), BernoulliLikelihood(), 2)


def small_drawing(window):
    parts = StandardNormal(2), BernoulliLikelihood()
    return DRAW(6, *parts, (2, 2), width=8, window=window, image=(2, 3))


def two_views(rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Bits, labels, and every pattern of what is seen in turn."""
    seen = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]).double()[torch.arange(rows) % 3]
    (x,), y = pixels(rows), one_hot(torch.randint(3, (rows,)), 3).double()
    return x * seen[:, :1], y * seen[:, 1:], seen


def some_labels(rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Bits, and labels of every other row."""
    known = (torch.arange(rows) % 2)[:, None].double()
    return *pixels(rows), one_hot(torch.arange(rows) % 3, 3).double() * known, known


VAE_CASES: dict[str, ModelCase] = {
    "bernoulli_vae": ModelCase(
        lambda: BernoulliVAE(6, (8, 7), 3),
        pixels,
        {"z": local_normal(3)},
        ("x",),
        "data",
        6,
        (7, 8),
    ),
    "gaussian_vae": ModelCase(
        lambda: GaussianVAE(5, (8,), 3, learned_scale=True),
        reals,
        {"z": local_normal(3)},
        ("x",),
        "data",
        5,
        (8,),
    ),
    "hvae": ModelCase(
        small_hierarchy,
        pixels,
        {"z_2": local_normal(2), "z_1": local_normal(3)},
        ("x",),
        "data",
        6,
        (8, 8),
    ),
    "dlgm": ModelCase(
        lambda: DeepLatentGaussian(6, StandardNormal(2), BernoulliLikelihood(), (2, 3), width=8),
        pixels,
        {"xi_2": local_normal(2), "xi_1": local_normal(3)},
        ("x",),
        "data",
        6,
        (8, 8),
    ),
    "draw": ModelCase(
        lambda: small_drawing(None),
        pixels,
        {"z_1": local_normal(2), "z_2": local_normal(2)},
        ("x",),
        "data",
        6,
        (8,),
    ),
    "draw_attention": ModelCase(
        lambda: small_drawing(2),
        pixels,
        {"z_1": local_normal(2), "z_2": local_normal(2)},
        ("x",),
        "data",
        6,
        (8,),
    ),
    "multimodal_vae": ModelCase(
        lambda: MultimodalVAE(6, 3, (8,), 2, labelled=True),
        two_views,
        {"z": local_normal(2)},
        ("x", "y"),
        "data",
        11,
        (8,),
    ),
    "semi_supervised_vae": ModelCase(
        lambda: SemiSupervisedVAE(6, 3, (8,), 2),
        some_labels,
        {"y": Site("discrete", "local", (3,), (ROWS,), ("data",), 0), "z": local_normal(2)},
        ("label", "x"),
        "data",
        10,
        (8,),
    ),
    "flow_vae": ModelCase(
        small_flow_vae,
        greys,
        {"z": local_normal(3), "u": local_normal(6)},
        ("x",),
        "data",
        6,
        (8,),
    ),
    "hyperspherical_vae": ModelCase(
        small_hyperspherical_vae,
        pixels,
        {"z": local_point("spherical", 3)},
        ("x",),
        "data",
        6,
        (8,),
    ),
    "hyperbolic_vae": ModelCase(
        small_hyperbolic_vae,
        pixels,
        {"z": local_point("hyperbolic", 3)},
        ("x",),
        "data",
        6,
        (8,),
    ),
    "self_vae": ModelCase(
        lambda: SelfVAE((2, 4), StandardNormal(2), 2, (8,)),
        lambda rows: (torch.bernoulli(torch.full((rows, 8), 0.5)),),
        {"u": local_normal(2), "z": local_normal(2)},
        ("y", "x"),
        "data",
        8,
        (8,),
    ),
    "vae": ModelCase(small_vae, pixels, {"z": local_normal(3)}, ("x",), "data", 6, (8,)),
    "dequantised_vae": ModelCase(
        small_dequantised_vae,
        greys,
        {"z": local_normal(3), "u": local_normal(6)},
        ("x",),
        "data",
        6,
        (8,),
    ),
}
