"""What the tests say goes together: model, guide and objectives; and a pair for each guide."""

ANY = {"trace", "trace_graph", "renyi", "iwae", "vr_max", "miwae", "ciwae", "piwae"}
PATHS = {"stl", "dreg", "tail_adaptive"}
SCORES = {"reinforce", "reinforce_average", "rloo", "vimco", "vimco_geometric", "tvo"}
SCORES |= {"forward_kl"}
DREAMS = {"wake_sleep", "rws"}
CLOSED_KL = {"mean_field", "free_bits"}
RELAXED = ANY | PATHS | CLOSED_KL
JOINT = ANY | PATHS | SCORES
FACTORISED = JOINT | CLOSED_KL
INDEPENDENT = FACTORISED | {"measure_valued"}
DISCRETE = ANY | SCORES | DREAMS | {"nvil", "enumerate", "layer_sum"}
CATEGORICAL = DISCRETE | {"muprop", "rebar", "relax", "local_sum"}
BITS = {"arm", "disarm", "u2g", "arms", "double_cv", "rodeo"}
BINARY = CATEGORICAL | BITS | {"measure_valued"}
LOCAL_CONTINUOUS = {
    "per_datum": INDEPENDENT,
    "per_datum_full_rank": JOINT,
    "per_datum_iaf": JOINT,
    "amortised_normal": INDEPENDENT | DREAMS,
    "amortised_fixed_scale": INDEPENDENT | DREAMS,
    "amortised_full_rank": FACTORISED | DREAMS,
    "amortised_iaf": FACTORISED | DREAMS,
    "amortised_planar": FACTORISED | DREAMS,
    "amortised_householder": FACTORISED | DREAMS,
    "amortised_sylvester": FACTORISED | DREAMS,
    "amortised_naf": FACTORISED | DREAMS,
    "amortised_spline": FACTORISED | DREAMS,
    "bottom_up": JOINT | DREAMS,
    "product_of_experts": INDEPENDENT | DREAMS,
}
GLOBAL_CONTINUOUS = {"mean_field": INDEPENDENT, "full_rank": JOINT, "iaf": JOINT}
LOCAL_DISCRETE = {
    "amortised_discrete": CATEGORICAL,
    "amortised_layers": DISCRETE,
    "relaxed": RELAXED,
    "straight_through": RELAXED,
    "gumbel_rao": RELAXED,
    "empty": {"enumerate"},
}
LOCAL_BINARY = {**LOCAL_DISCRETE, "amortised_discrete": BINARY}

ALLOWED: dict[str, dict[str, set[str]]] = {  # model -> guide -> objectives; the rest is refused
    "ppca": LOCAL_CONTINUOUS,
    "eight_schools": GLOBAL_CONTINUOUS,
    "eight_schools_noncentred": GLOBAL_CONTINUOUS,
    "logistic_regression": GLOBAL_CONTINUOUS,
    "bernoulli_vae": LOCAL_CONTINUOUS,
    "gaussian_vae": LOCAL_CONTINUOUS,
    "vae": {**LOCAL_CONTINUOUS, "shared": INDEPENDENT | DREAMS},
    "dequantised_vae": {
        **{guide: objectives - DREAMS for guide, objectives in LOCAL_CONTINUOUS.items()},
        "uniform_noise": FACTORISED,
    },
    "flow_vae": {
        **{guide: objectives - DREAMS for guide, objectives in LOCAL_CONTINUOUS.items()},
        "uniform_noise": FACTORISED,
    },
    "hvae": {**LOCAL_CONTINUOUS, **dict.fromkeys(("top_down", "ladder"), FACTORISED | DREAMS)},
    "self_vae": {guide: objectives - DREAMS for guide, objectives in LOCAL_CONTINUOUS.items()},
    "multimodal_vae": LOCAL_CONTINUOUS,
    "bernoulli_latent": LOCAL_BINARY,
    "categorical_vae": LOCAL_DISCRETE,
    "sigmoid_belief": LOCAL_BINARY,
    "factor_analysis": LOCAL_CONTINUOUS,
    "linear_regression": GLOBAL_CONTINUOUS,
    "gaussian_mixture": LOCAL_DISCRETE,
    "hmm": LOCAL_DISCRETE,
    "local_level": LOCAL_CONTINUOUS,
    "gp_regression": GLOBAL_CONTINUOUS,
    "neals_funnel": GLOBAL_CONTINUOUS,
    "banana": GLOBAL_CONTINUOUS,
}

GUIDE_CASES: dict[str, tuple[str, str]] = {  # guide -> (a model that suits it, an objective)
    "mean_field": ("eight_schools", "trace"),
    "full_rank": ("eight_schools", "trace"),
    "iaf": ("eight_schools", "trace"),
    "per_datum": ("ppca", "trace"),
    "per_datum_full_rank": ("ppca", "trace"),
    "per_datum_iaf": ("ppca", "trace"),
    "amortised_normal": ("bernoulli_vae", "trace"),
    "amortised_fixed_scale": ("bernoulli_vae", "trace"),
    "amortised_full_rank": ("ppca", "trace"),
    "amortised_iaf": ("gaussian_vae", "trace"),
    "amortised_planar": ("gaussian_vae", "trace"),
    "amortised_householder": ("ppca", "trace"),
    "amortised_sylvester": ("gaussian_vae", "trace"),
    "amortised_naf": ("gaussian_vae", "trace"),
    "amortised_spline": ("gaussian_vae", "trace"),
    "shared": ("vae", "trace"),
    "uniform_noise": ("dequantised_vae", "trace"),
    "product_of_experts": ("multimodal_vae", "trace"),
    **dict.fromkeys(("bottom_up", "top_down", "ladder"), ("hvae", "trace")),
    "amortised_discrete": ("bernoulli_latent", "trace_graph"),
    "amortised_layers": ("sigmoid_belief", "trace_graph"),
    "relaxed": ("bernoulli_latent", "trace"),
    "straight_through": ("categorical_vae", "trace"),
    "gumbel_rao": ("bernoulli_latent", "trace"),
    "empty": ("bernoulli_latent", "enumerate"),
}
