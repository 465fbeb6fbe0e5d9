"""The sections of docs/gallery.md: each system, and where its table and picture are from."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import estimators_wake_sleep
import vaes_bounds
import vaes_gaps
import vaes_kl
import vaes_ladder
import vaes_likelihoods
import vaes_priors
import vaes_published
import vaes_structures
from gallery_pictures import Dots
from gallery_tables import collapse, families, hierarchy, modalities, temperatures


@dataclass(frozen=True)
class Section:
    """One system of the gallery.

    Attributes:
        title: of the section.
        equation: what is drawn from what.
        text: what to see, in a few lines.
        commands: what a reader runs.
        picture: a file of docs/, or none.
        result: a file of benchmarks/results/, or none.
        table: that record -> Markdown.
        dots: how the picture is drawn from the record; None if it is there already.
    """

    title: str
    equation: str
    text: str
    commands: tuple[str, ...]
    picture: str = ""
    result: str = ""
    table: Callable[[dict], str] = lambda record: ""
    dots: Dots | None = None


def rows_of(module: ModuleType) -> Callable[[dict], str]:
    return lambda record: module.table(record["rows"])


SECTIONS = (
    Section(
        "Bernoulli VAE, rung by rung",
        "z ~ N(0, I),   x_j ~ Bernoulli(f(z)_j)",
        "The same steps of the same batches on digits. The first four rungs change one thing at a "
        "time; the hierarchy and the PixelVAE are other models. The gap log p(x) - ELBO splits "
        "into what the family cannot express and what the shared encoder loses. A richer family "
        "narrows the first; on this model the second is what is left.",
        ("zoo fit vae --guide amortised_iaf --prior vamp", "python benchmarks/vaes.py ladder"),
        "ladder.png",
        "vaes/ladder.json",
        rows_of(vaes_ladder),
    ),
    Section(
        "Amortised against per-datum inference",
        "q(z_n) = N(m_n, s_n^2), free for each row;   q(z | x_n) = N(m(x_n), s(x_n)^2), shared",
        "The model is held; guides are fitted to it. What is left above the per-datum line is the "
        "amortisation gap, the line itself what a diagonal normal cannot express, as far as the "
        "search for it settled.",
        ("zoo picture amortisation",),
        "amortisation.png",
        "../../docs/amortisation.json",
        families,
    ),
    Section(
        "Four data points: what a flow can do",
        "u_0 ~ N(m(x), s(x)^2),   u_t = g_t u_{t-1} + (1 - g_t) m_t(u_{<}, x)",
        "Four patterns share the prior, in stripes or in pie pieces, as the seed will have it. A "
        "diagonal normal covers its share with an ellipse along the axes; the flow turns and "
        "bends. Means over seeds with their standard errors; the flow's approximation gap is "
        "an upper bound, as its search is.",
        ("zoo picture four_points",),
        "four_points.png",
        "../../docs/four_points.json",
        families,
    ),
    Section(
        "Gaussian VAE: the KL term in closed form or by one draw",
        "z ~ N(0, I),   x ~ N(f(z), s^2 I)",
        "Gradients at the same trained parameters. The closed form and sticking the landing have "
        "the same mean as one draw, as their p-values say; the encoder's variance is hundreds of "
        "times less with the scale fixed, and with it learned a fifth less by the closed form and "
        "six times less by sticking the landing.",
        ("zoo fit gaussian_vae --objective mean_field", "python benchmarks/vaes.py kl"),
        "vaes_kl.png",
        "vaes/kl.json",
        rows_of(vaes_kl),
        Dots(
            "KL term",
            ("variance.encoder", "variance.decoder"),
            "variance, (nats/unit)^2",
            log=True,
        ),
    ),
    Section(
        "Importance-weighted and Renyi bounds",
        "L_K = E log 1/K sum_k p(x, z_k) / q(z_k | x)",
        "Each row is trained by another objective, each column is a bound of the same fit. Bounds "
        "grow with K. IWAE and VR-max give up ELBO for log p(x); 'ELBO, 50 draws' costs as much "
        "as K = 50 does and is what to hold them against. Where k-hat is above 0.7, VR-max's "
        "log p(x) is a bound.",
        ("zoo fit bernoulli_vae --objective iwae", "python benchmarks/vaes.py bounds"),
        "vaes_bounds.png",
        "vaes/bounds.json",
        rows_of(vaes_bounds),
        Dots("trained by", ("elbo", "iwae_5", "iwae_50", "log_evidence"), "nats/row"),
    ),
    Section(
        "Priors",
        "z ~ r(z): mixture, VampPrior, RealNVP, MAF, autoregressive",
        "One decoder, one number of steps. The last column is the gain over N(0, I) in log p(x), "
        "seed by seed. The VampPrior's encoder is its own, wider one; its second row has the "
        "encoder of the others, and tells what of the gain is the prior's.",
        ("zoo fit vae --prior maf", "python benchmarks/vaes.py priors"),
        "vaes_priors.png",
        "vaes/priors.json",
        rows_of(vaes_priors),
        Dots("prior", ("elbo", "log_evidence"), "nats/row"),
    ),
    Section(
        "Likelihoods of grey levels",
        "P(k | z) = integral over [0, 1]^D of p((k + u) / L | z) L^-D du",
        "Digits have 17 levels. Categorical and discretised logistics give them a probability; a "
        "density does with noise in the bins: noise that the guide chooses beats uniform noise. "
        "'Refitted' holds the model trained with uniform noise and lets a guide choose: two "
        "bounds of one model. Above k-hat 0.7 log p(x) and the bits are bounds.",
        (
            "zoo fit vae --likelihood logistic_mixture",
            "zoo fit flow_vae",
            "python benchmarks/vaes.py likelihoods",
        ),
        "vaes_likelihoods.png",
        "vaes/likelihoods.json",
        rows_of(vaes_likelihoods),
        Dots("likelihood", ("elbo", "log_evidence"), "nats/row"),
    ),
    Section(
        "Structures: groups of latents, and a picture's coarse copy",
        "z -> coarse picture y = d(x) -> x;   z_2 -> z_1 -> x",
        "Twenty latents each. The self-supervised model's log p(x) is that of the picture and its "
        "coarse copy together, so it is no rival of the others.",
        ("zoo fit self_vae", "python benchmarks/vaes.py structures"),
        "vaes_structures.png",
        "vaes/structures.json",
        rows_of(vaes_structures),
        Dots("structure", ("elbo", "log_evidence"), "nats/row"),
    ),
    Section(
        "Hierarchical VAE",
        "z_L ~ p,   z_l ~ N(m_l(h_{l+1}), s_l(h_{l+1})^2),   h_l = h_{l+1} + r_l(h_{l+1}, z_l)",
        "A second group gains on Fashion-MNIST; in these short runs a third is hardly used, as "
        "its KL says. log p(x) is rough where k-hat is near 1.",
        ("zoo fit hvae --groups 8,16 --prior vamp", "python benchmarks/hierarchical.py"),
        "hvae.png",
        "hierarchical.json",
        hierarchy,
    ),
    Section(
        "PixelVAE: posterior collapse and its remedies",
        "p(x | z) = prod_i p(x_i | x_<i, z)",
        "The decoder's receptive field (PixelDecoder's kernel and layers) grows from no pixel to "
        "all: KL and mutual information fall to a third, though no unit goes still. Warm-up and "
        "free bits bring them back and gain log p(x); hiding context brings them back at a cost.",
        (
            "zoo fit vae --decoder pixel --kl-warm-up 500",
            "zoo fit vae --decoder pixel --objective free_bits",
            "python benchmarks/collapse.py",
        ),
        "collapse.png",
        "collapse.json",
        collapse,
    ),
    Section(
        "Multimodal VAE",
        "q(z | x, y) ~ N(0, I) q(z | x) q(z | y)",
        "One code for a picture and its label, or for two halves; either may be missing. One "
        "diagonal normal is a poor q(z | y): many pictures made from a label are not that label.",
        ("zoo fit multimodal_vae --data digits_labels", "python benchmarks/multimodal.py"),
        "multimodal.png",
        "multimodal.json",
        modalities,
    ),
    Section(
        "Multimodal VAE of Fashion-MNIST",
        "q(z | x, y) ~ N(0, I) q(z | x) q(z | y)",
        "The same model, guide and code size on pictures of clothes.",
        (
            "zoo fit multimodal_vae --data fashion_labels",
            "python benchmarks/multimodal.py --data fashion",
        ),
        "multimodal_fashion.png",
        "multimodal_fashion.json",
        modalities,
    ),
    Section(
        "Categorical VAE: temperature",
        "z = softmax((log pi + g) / tau)",
        "Against the enumerated gradient: bias falls and variance rises as tau goes to 0.",
        ("zoo fit categorical_vae --guide straight_through", "python benchmarks/temperature.py"),
        "temperature.png",
        "temperature.json",
        temperatures,
    ),
    Section(
        "Helmholtz machine: wake-sleep against direct ascent",
        "z_2 ~ Bern(b),   z_1 ~ Bern(f(z_2)),   x ~ Bern(g(z_1)),   q(z_1 | x) q(z_2 | z_1)",
        "Exact log p(x) by summing all states. Wake-sleep teaches q on the model's own dreams, "
        "which look nothing like the data at first.",
        ("zoo fit sigmoid_belief", "python benchmarks/estimators.py wake_sleep"),
        "estimators_wake_sleep.png",
        "estimators/wake_sleep.json",
        estimators_wake_sleep.table,
    ),
    Section(
        "Beside published numbers",
        "dynamic Fashion-MNIST and statically binarized MNIST",
        "Runs shorter than the published ones say nothing about the number, and are judged so. "
        "The claims below the table are differences at equal shares of the planned steps.",
        ("python benchmarks/vaes.py published",),
        "vaes_published.png",
        "vaes/published.json",
        rows_of(vaes_published),
        Dots("setting", ("log_p - published",), "log p(x), ours less the published, nats/row"),
    ),
    Section(
        "Gaps under two decoders",
        "log p(x) - max_q L[q]  +  max_q L[q] - L[q(. | x)]",
        "Threshold Fashion-MNIST; a diagonal and a flow are fitted to single rows under decoders "
        "trained with either. The rows are others than the published ones, and errors are over "
        "rows: the claim is on the difference, taken row by row.",
        ("python benchmarks/vaes.py gaps",),
        "vaes_gaps.png",
        "vaes/gaps.json",
        rows_of(vaes_gaps),
        Dots("trained with", ("flow over diagonal",), "local flow over local diagonal, nats/row"),
    ),
)
