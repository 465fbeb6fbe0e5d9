"""The sections of docs/gallery.md on guides, bounds, priors and likelihoods of one VAE."""

from benchmarks.pages.gallery_pictures import Dots
from benchmarks.pages.gallery_section import Section, rows_of
from benchmarks.pages.gallery_tables import families
from benchmarks.vaes import bounds as vaes_bounds
from benchmarks.vaes import kl_term as vaes_kl
from benchmarks.vaes import ladder as vaes_ladder
from benchmarks.vaes import likelihoods as vaes_likelihoods
from benchmarks.vaes import priors as vaes_priors

GUIDES = (
    Section(
        "Bernoulli VAE, variant by variant",
        "z ~ N(0, I),   x_j ~ Bernoulli(f(z)_j)",
        "The same number of steps on the same batches of digits. The first three variants differ "
        "in the guide, the fourth in the prior too; the hierarchy and the PixelVAE are other "
        "models. Parameters count model and guide: the variants with the higher log p(x), from "
        "the VampPrior on, have 3.6 to 9.2 times as many as the first, so this table does not "
        "tell structure from size ('Structures' below has a wide network beside the hierarchy). "
        "The gap log p(x) - ELBO splits into what the family cannot express (approximation) and "
        "what the shared encoder loses (amortisation). A full covariance or a flow narrows the "
        "first, and the second grows: the ELBO gains 0.06 nats at most.",
        ("zoo fit vae --guide amortised_iaf --prior vamp",),
        "python -m benchmarks.vaes.run ladder",
        "ladder.png",
        "vaes/ladder.json",
        rows_of(vaes_ladder),
    ),
    Section(
        "Amortised against per-datum inference",
        "q(z_n) = N(m_n, s_n^2), free for each row;   q(z | x_n) = N(m(x_n), s(x_n)^2), shared",
        "The model is held; guides are fitted to it. The gap of per_datum is what a diagonal "
        "normal cannot express, as far as the search for it settled; what amortised_normal has "
        "above it is its amortisation gap. The other guides are amortised with other families.",
        (),
        "zoo picture amortisation --out docs",
        "amortisation.png",
        "../../docs/amortisation.json",
        families,
    ),
    Section(
        "Four data points: what a flow can do",
        "u_0 ~ N(m(x), s(x)^2),   u_t = g_t u_{t-1} + (1 - g_t) m_t(u_{<}, x)",
        "Four patterns share the prior, in stripes or in pie pieces, as the seed will have it. "
        "A diagonal normal covers its share with an ellipse along the axes; the flow turns and "
        "bends. Means over seeds with their standard errors; the flow's approximation gap is an "
        "upper bound, as its search is.",
        (),
        "zoo picture four_points --out docs",
        "four_points.png",
        "../../docs/four_points.json",
        families,
    ),
    Section(
        "Gaussian VAE: the KL term in closed form or by one draw",
        "z ~ N(0, I),   x ~ N(f(z), s^2 I)",
        "Gradients at the same trained parameters. With the scale fixed, the closed form and "
        "sticking the landing have 580 to 700 times less variance in the encoder's gradient than "
        "one draw; with it learned, the closed form has a fifth less, and sticking the landing "
        "six to seven times less. All three have the same mean by theory; of the twelve "
        "p-values, which share their noise, the smallest is 0.01.",
        ("zoo fit gaussian_vae --objective mean_field",),
        "python -m benchmarks.vaes.run kl",
        "vaes_kl.png",
        "vaes/kl.json",
        rows_of(vaes_kl),
        Dots(
            "KL term",
            ("variance.encoder", "variance.decoder"),
            "variance of the gradient, (nats/unit)²",
            log=True,
        ),
    ),
    Section(
        "Importance-weighted and Renyi bounds",
        "L_K = E log 1/K sum_k p(x, z_k) / q(z_k | x)",
        "Each row is trained by another objective, each column is a bound of the same fit. "
        "These bounds (alpha = 0) grow with K; Renyi's do for alpha below 1, and fall with K "
        "for alpha above 1. IWAE and VR-max give up ELBO for log p(x); 'ELBO, 50 draws' takes "
        "as many evaluations a step as K = 50 does and is what to hold them against. Where "
        "k-hat is above 0.7, VR-max's log p(x) is a lower bound only.",
        ("zoo fit bernoulli_vae --objective iwae",),
        "python -m benchmarks.vaes.run bounds",
        "vaes_bounds.png",
        "vaes/bounds.json",
        rows_of(vaes_bounds),
        Dots(
            "trained by",
            ("elbo", "iwae_5", "iwae_50", "log_evidence"),
            "bound, nats/row (the axis is broken)",
            views=((-33.4, -32.2), (-26.0, -22.0)),
        ),
    ),
    Section(
        "Priors",
        "z ~ r(z): mixture, VampPrior, RealNVP, MAF, autoregressive",
        "One decoder, one number of steps. The last column is the gain over N(0, I) in log "
        "p(x), seed by seed. The VampPrior's encoder is its own, gated and wider; its second "
        "row has the encoder of the others: of the gain of 0.46 nats, 0.16 remain there. With "
        "its pseudo-rows and the network that reads them the VampPrior has six to nine times "
        "the parameters of the others.",
        ("zoo fit vae --prior maf",),
        "python -m benchmarks.vaes.run priors",
        "vaes_priors.png",
        "vaes/priors.json",
        rows_of(vaes_priors),
        Dots("prior", ("elbo", "log_evidence"), "bound, nats/row"),
    ),
    Section(
        "Likelihoods of grey levels",
        "P(k | z) = integral over [0, 1]^D of p((k + u) / L | z) L^-D du",
        "Digits have 17 levels. Categorical and discretised logistics give them a probability; "
        "a density needs noise within the levels, uniform or drawn by the guide. 'Chosen by the "
        "row' has the same family for z as 'uniform noise'; 'by a flow' has the flow over z as "
        "well. 'Refitted' holds the model that was trained with uniform noise and fits a flow "
        "over both noise and z, so its gain is that of both. The k-hat of every row is far "
        "above 0.7: log p(x) and the bits are bounds, and the ELBO is what can be compared.",
        ("zoo fit vae --likelihood logistic_mixture", "zoo fit flow_vae"),
        "python -m benchmarks.vaes.run likelihoods",
        "vaes_likelihoods.png",
        "vaes/likelihoods.json",
        rows_of(vaes_likelihoods),
        Dots("likelihood", ("elbo", "log_evidence"), "bound, nats/row"),
    ),
)
