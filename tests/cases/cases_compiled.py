"""What is compiled in the tests: every objective on two models, every model and guide once.

A new member of a table that stands in no case is compiled with what is usual for it.
"""

from cases_pairs import ALLOWED, GUIDE_CASES

from zoo.models import MODELS
from zoo.objectives import OBJECTIVES
from zoo.optim.schedules import Drops

MODELS_OF_EACH = 2
FAST = [  # model, guide, objective, settings; in the default run
    ("eight_schools", "mean_field", "trace", {"optimizer": "rmsprop"}),
    ("bernoulli_latent", "amortised_discrete", "nvil", {"clip_norm": 5.0}),
    ("gaussian_vae", "amortised_normal", "mean_field", {"lr_schedule": Drops((3, 6), 0.5)}),
]
SLOW = [
    ("ppca", "per_datum", "trace", {"optimizer": "sgd"}),
    ("categorical_vae", "amortised_discrete", "nvil", {"clip_norm": 1.0}),
    ("bernoulli_vae", "amortised_iaf", "iwae", {"optimizer": "clipped_adam"}),
    ("logistic_regression", "mean_field", "mean_field", {"weight_decay": 0.1}),
    ("logistic_regression", "full_rank", "trace_graph", {"optimizer": "adamw"}),
    ("eight_schools_noncentred", "full_rank", "renyi", {"optimizer": "adagrad"}),
]
SUITABLE = [  # model, guide, and the objectives that are compiled on them
    ("banana", "full_rank", "iwae"),
    ("bernoulli_latent", "amortised_discrete", "vimco vimco_geometric layer_sum"),
    ("bernoulli_latent", "amortised_discrete", "reinforce_average rws wake_sleep muprop rebar"),
    ("bernoulli_latent", "amortised_discrete", "relax local_sum arm disarm u2g arms double_cv"),
    ("bernoulli_latent", "amortised_discrete", "rodeo disarm_tree unordered_set msc"),
    ("bernoulli_latent", "empty", "enumerate"),
    ("bernoulli_latent", "gumbel_rao", "dreg"),
    ("bernoulli_latent", "relaxed", "free_bits"),
    ("bernoulli_vae", "amortised_fixed_scale", "trace_graph"),
    ("bernoulli_vae", "amortised_normal", "tail_adaptive measure_valued free_bits info_vae aae"),
    ("bernoulli_vae", "amortised_full_rank", "wae"),
    ("gaussian_vae", "amortised_normal", "wae aae info_vae vae_gan"),
    ("bernoulli_vae", "amortised_iaf", "aae"),
    ("ppca", "amortised_normal", "vae_gan"),
    ("bernoulli_vae", "per_datum_full_rank", "iwae"),
    ("bernoulli_vae", "per_datum_iaf", "iwae"),
    ("categorical_vae", "amortised_discrete", "forward_kl local_sum muprop rebar relax"),
    ("categorical_vae", "amortised_discrete", "disarm_tree unordered_set"),
    ("categorical_vae", "empty", "enumerate"),
    ("categorical_vae", "straight_through", "renyi"),
    ("dequantised_vae", "uniform_noise", "trace"),
    ("eight_schools", "mean_field", "stl dreg tail_adaptive measure_valued msc gdreg"),
    ("factor_analysis", "amortised_full_rank", "mean_field"),
    ("flow_vae", "amortised_iaf", "iwae"),
    ("gaussian_mixture", "amortised_discrete", "rloo"),
    ("gaussian_vae", "amortised_iaf", "vr_max miwae ciwae piwae tvo"),
    ("gp_regression", "full_rank", "trace"),
    ("hmm", "relaxed", "trace"),
    ("hvae", "bottom_up", "gdreg"),
    ("hvae", "ladder", "renyi"),
    ("hvae", "top_down", "iwae"),
    ("linear_regression", "iaf", "iwae"),
    ("local_level", "amortised_full_rank", "mean_field"),
    ("logistic_regression", "iaf", "vr_max miwae ciwae piwae tvo reinforce"),
    ("multimodal_vae", "product_of_experts", "mean_field"),
    ("neals_funnel", "mean_field", "mean_field"),
    ("ppca", "amortised_full_rank", "wake_sleep forward_kl"),
    ("ppca", "amortised_householder", "stl"),
    ("ppca", "amortised_naf", "stl"),
    ("ppca", "amortised_planar", "stl"),
    ("ppca", "amortised_spline", "stl"),
    ("ppca", "amortised_sylvester", "stl"),
    ("realnvp", "empty", "flow_gan flow_gan_adversarial"),
    ("maf", "empty", "flow_gan flow_gan_adversarial"),
    ("rbm", "empty", "cd pcd"),
    ("dbm", "coordinate_ascent", "pcd cd pcd_rloo"),
    ("dbn", "amortised_layers", "pcd_rloo"),
    ("self_vae", "bottom_up", "trace_graph"),
    ("sigmoid_belief", "amortised_discrete", "arm disarm u2g arms double_cv rodeo"),
    ("sigmoid_belief", "amortised_layers", "rloo vimco vimco_geometric layer_sum rws reinforce"),
    ("sigmoid_belief", "amortised_layers", "reinforce_average"),
    ("vae", "shared", "iwae"),
]
SLOW += [(model, guide, name, {}) for model, guide, names in SUITABLE for name in names.split()]


def usual_cases():
    """Cases for the members of the tables that no case above holds."""
    held = [set(column) for column in zip(*[case[:3] for case in [*FAST, *SLOW]], strict=True)]
    for model in [name for name in MODELS if name not in held[0]]:
        yield model, MODELS[model].guide, MODELS[model].objective, {}
    for guide in [name for name in GUIDE_CASES if name not in held[1]]:
        model, objective = GUIDE_CASES[guide]
        yield model, guide, objective, {}
    for objective in [name for name in OBJECTIVES if name not in held[2]]:
        pairs = [
            (model, next(guide for guide, allowed in guides.items() if objective in allowed))
            for model, guides in ALLOWED.items()
            if any(objective in allowed for allowed in guides.values())
        ]
        for model, guide in pairs[:MODELS_OF_EACH]:
            yield model, guide, objective, {}


SLOW += list(usual_cases())
