"""Names from lectures and papers, and words that other programs use, with what they are here."""

from typing import NamedTuple


class Alias(NamedTuple):
    """Another name for something that the zoo has.

    Attributes:
        kind: model, guide, objective, prior, decoder, likelihood or data, if it stands for one
            name of that kind; "" where it stands for a command.
        name: that name.
        says: what it is, to be read after "NAME is".
        command: what to type.
    """

    kind: str
    name: str
    says: str
    command: str


ALIASES: dict[str, Alias] = {
    "aae": Alias(
        "", "", "the adversarial autoencoder, an objective", "zoo fit vae --objective aae"
    ),
    "wae": Alias(
        "", "", "the Wasserstein autoencoder, an objective", "zoo fit vae --objective wae"
    ),
    "flow_gan": Alias("", "", "FlowGAN, an objective", "zoo fit realnvp --objective flow_gan"),
    "vaegan": Alias(
        "objective", "vae_gan", "the VAE/GAN", "zoo fit gaussian_vae --objective vae_gan"
    ),
    "flowgan": Alias("objective", "flow_gan", "FlowGAN", "zoo fit realnvp --objective flow_gan"),
    "adversarial_autoencoder": Alias(
        "objective", "aae", "the adversarial autoencoder", "zoo fit vae --objective aae"
    ),
    "mmd_vae": Alias("objective", "info_vae", "the MMD-VAE", "zoo fit vae --objective info_vae"),
    "infovae": Alias("objective", "info_vae", "InfoVAE", "zoo fit vae --objective info_vae"),
    "wasserstein_autoencoder": Alias(
        "objective", "wae", "the Wasserstein autoencoder", "zoo fit vae --objective wae"
    ),
    "restricted_boltzmann_machine": Alias(
        "model", "rbm", "the restricted Boltzmann machine", "zoo fit rbm"
    ),
    "boltzmann_machine": Alias(
        "model", "rbm", "a Boltzmann machine without weights inside its sides", "zoo fit rbm"
    ),
    "deep_boltzmann_machine": Alias("model", "dbm", "the deep Boltzmann machine", "zoo fit dbm"),
    "deep_belief_network": Alias("model", "dbn", "the deep belief network", "zoo fit dbn"),
    "deep_belief_net": Alias("model", "dbn", "the deep belief network", "zoo fit dbn"),
    "latent_dirichlet_allocation": Alias(
        "model", "lda", "latent Dirichlet allocation", "zoo fit lda"
    ),
    "topic_model": Alias("model", "lda", "latent Dirichlet allocation", "zoo fit lda"),
    "bayesian_neural_network": Alias("model", "bnn", "the Bayesian neural network", "zoo fit bnn"),
    "probabilistic_matrix_factorization": Alias(
        "model", "matrix_factorisation", "matrix factorisation", "zoo fit matrix_factorisation"
    ),
    "matrix_factorization": Alias(
        "model", "matrix_factorisation", "matrix factorisation", "zoo fit matrix_factorisation"
    ),
    "boltzmann": Alias("model", "rbm", "the restricted Boltzmann machine", "zoo fit rbm"),
    "harmonium": Alias("model", "rbm", "the restricted Boltzmann machine", "zoo fit rbm"),
    "contrastive_divergence": Alias(
        "objective", "cd", "contrastive divergence", "zoo fit rbm --objective cd"
    ),
    "persistent_contrastive_divergence": Alias(
        "objective", "pcd", "persistent contrastive divergence", "zoo fit rbm --objective pcd"
    ),
    "elbo": Alias("objective", "trace", "the ELBO", "zoo fit vae --objective trace"),
    "vi": Alias("objective", "trace", "the ELBO", "zoo fit vae --objective trace"),
    "svi": Alias("objective", "trace", "the ELBO", "zoo fit vae --objective trace"),
    "iw_elbo": Alias(
        "objective", "iwae", "the importance-weighted bound", "zoo fit vae --objective iwae"
    ),
    "iwelbo": Alias(
        "objective", "iwae", "the importance-weighted bound", "zoo fit vae --objective iwae"
    ),
    "importance_weighted": Alias(
        "objective", "iwae", "the importance-weighted bound", "zoo fit vae --objective iwae"
    ),
    "sticking_the_landing": Alias(
        "objective", "stl", "the path derivative", "zoo fit vae --objective stl"
    ),
    "path_gradient": Alias(
        "objective", "stl", "the path derivative", "zoo fit vae --objective stl"
    ),
    "chivi": Alias("objective", "cubo", "the chi upper bound", "zoo fit vae --objective cubo"),
    "chi_divergence": Alias(
        "objective", "cubo", "the chi upper bound", "zoo fit vae --objective cubo"
    ),
    "eubo": Alias(
        "objective",
        "tvo_upper",
        "the upper thermodynamic bound in one strip",
        "zoo fit vae --objective tvo_upper",
    ),
    "doubly_reparameterised": Alias(
        "objective", "dreg", "the gradient DReG", "zoo fit vae --objective dreg"
    ),
    "dregs": Alias("objective", "dreg", "the gradient DReG", "zoo fit vae --objective dreg"),
    "gdregs": Alias(
        "objective", "gdreg", "DReG for the prior too", "zoo fit hvae --objective gdreg"
    ),
    "markovian_score_climbing": Alias(
        "objective", "msc", "its short name", "zoo fit ppca --objective msc"
    ),
    "without_replacement": Alias(
        "objective",
        "unordered_set",
        "the estimator from draws without replacement",
        "zoo fit categorical_vae --objective unordered_set",
    ),
    "score_function": Alias(
        "objective",
        "reinforce",
        "the score-function estimator",
        "zoo fit bernoulli_latent --objective reinforce",
    ),
    "bbvi": Alias(
        "objective",
        "reinforce",
        "black-box variational inference by score function",
        "zoo fit bernoulli_latent --objective reinforce",
    ),
    "reweighted_wake_sleep": Alias(
        "objective",
        "rws",
        "reweighted wake-sleep",
        "zoo fit sigmoid_belief --objective rws",
    ),
    "helmholtz": Alias(
        "",
        "",
        "the Helmholtz machine, a sigmoid belief network trained by wake-sleep",
        "zoo fit sigmoid_belief --guide amortised_layers --objective wake_sleep",
    ),
    "helmholtz_machine": Alias(
        "",
        "",
        "a sigmoid belief network trained by wake-sleep",
        "zoo fit sigmoid_belief --guide amortised_layers --objective wake_sleep",
    ),
    "sbn": Alias("model", "sigmoid_belief", "a sigmoid belief network", "zoo fit sigmoid_belief"),
    "pixelvae": Alias(
        "decoder",
        "pixel",
        "a VAE whose decoder reads the pixels drawn so far",
        "zoo fit vae --decoder pixel",
    ),
    "pixel_cnn": Alias("model", "pixelcnn", "the PixelCNN", "zoo fit pixelcnn"),
    "gated_pixel_cnn": Alias(
        "model", "gated_pixelcnn", "the gated PixelCNN", "zoo fit gated_pixelcnn"
    ),
    "masked_autoencoder": Alias(
        "model",
        "made",
        "the masked autoencoder for distribution estimation",
        "zoo fit made",
    ),
    "order_agnostic_nade": Alias(
        "model", "eonade", "NADE for all orders of the elements", "zoo fit eonade"
    ),
    "deep_nade": Alias("model", "eonade", "NADE for all orders of the elements", "zoo fit eonade"),
    "deep_autoregressive_network": Alias(
        "model", "darn", "the deep autoregressive network", "zoo fit darn"
    ),
    "fully_visible_sigmoid_belief_network": Alias(
        "model", "fvsbn", "a logistic regression of each pixel on those before", "zoo fit fvsbn"
    ),
    "vampprior": Alias("prior", "vamp", "the VampPrior of a VAE", "zoo fit vae --prior vamp"),
    "vamp_prior": Alias("prior", "vamp", "the VampPrior of a VAE", "zoo fit vae --prior vamp"),
    "gmm": Alias(
        "model", "gaussian_mixture", "a mixture of Gaussians", "zoo fit gaussian_mixture"
    ),
    "mixture_of_gaussians": Alias(
        "model", "gaussian_mixture", "a mixture of Gaussians", "zoo fit gaussian_mixture"
    ),
    "pca": Alias("model", "ppca", "probabilistic PCA", "zoo fit ppca"),
    "probabilistic_pca": Alias("model", "ppca", "probabilistic PCA", "zoo fit ppca"),
    "fa": Alias("model", "factor_analysis", "factor analysis", "zoo fit factor_analysis"),
    "hidden_markov_model": Alias("model", "hmm", "the hidden Markov model", "zoo fit hmm"),
    "dmm": Alias("model", "deep_markov", "the deep Markov model", "zoo fit deep_markov"),
    "deep_markov_model": Alias(
        "model", "deep_markov", "the deep Markov model", "zoo fit deep_markov"
    ),
    "deep_kalman_filter": Alias(
        "model", "deep_markov", "the deep Markov model", "zoo fit deep_markov"
    ),
    "state_space_model": Alias(
        "model", "deep_markov", "a state space model of networks", "zoo fit deep_markov"
    ),
    "rnn": Alias(
        "guide",
        "amortised_recurrent",
        "a recurrent network that reads a row's future",
        "zoo fit deep_markov --guide amortised_recurrent",
    ),
    "structured_inference_network": Alias(
        "guide",
        "amortised_recurrent",
        "the guide of the deep Markov model",
        "zoo fit deep_markov --guide amortised_recurrent",
    ),
    "kalman": Alias(
        "model", "local_level", "a random walk seen with noise", "zoo fit local_level"
    ),
    "gp": Alias("model", "gp_regression", "Gaussian-process regression", "zoo fit gp_regression"),
    "logreg": Alias(
        "model", "logistic_regression", "logistic regression", "zoo fit logistic_regression"
    ),
    "funnel": Alias("model", "neals_funnel", "Neal's funnel", "zoo fit neals_funnel"),
    "s_vae": Alias(
        "model", "hyperspherical_vae", "the hyperspherical VAE", "zoo fit hyperspherical_vae"
    ),
    "svae": Alias(
        "model", "hyperspherical_vae", "the hyperspherical VAE", "zoo fit hyperspherical_vae"
    ),
    "spherical_vae": Alias(
        "model", "hyperspherical_vae", "the hyperspherical VAE", "zoo fit hyperspherical_vae"
    ),
    "poincare_vae": Alias(
        "model", "hyperbolic_vae", "the hyperbolic VAE", "zoo fit hyperbolic_vae"
    ),
    "pvae": Alias("model", "hyperbolic_vae", "the hyperbolic VAE", "zoo fit hyperbolic_vae"),
    "von_mises_fisher": Alias(
        "guide",
        "amortised_von_mises_fisher",
        "the von Mises-Fisher guide",
        "zoo fit hyperspherical_vae --guide amortised_von_mises_fisher",
    ),
    "vmf": Alias(
        "guide",
        "amortised_von_mises_fisher",
        "the von Mises-Fisher guide",
        "zoo fit hyperspherical_vae --guide amortised_von_mises_fisher",
    ),
    "power_spherical": Alias(
        "guide",
        "amortised_power_spherical",
        "the power spherical guide",
        "zoo fit hyperspherical_vae --guide amortised_power_spherical",
    ),
    "wrapped_normal": Alias(
        "guide",
        "amortised_wrapped_normal",
        "the wrapped normal on hyperbolic space",
        "zoo fit hyperbolic_vae --guide amortised_wrapped_normal",
    ),
    "hierarchical_vae": Alias("model", "hvae", "the hierarchical VAE", "zoo fit hvae"),
    "deep_latent_gaussian": Alias(
        "model", "dlgm", "the deep latent Gaussian model", "zoo fit dlgm"
    ),
    "deep_latent_gaussian_model": Alias(
        "model", "dlgm", "the deep latent Gaussian model", "zoo fit dlgm"
    ),
    "deep_recurrent_attentive_writer": Alias(
        "model", "draw_attention", "DRAW with attention", "zoo fit draw_attention"
    ),
    "hvi": Alias(
        "guide",
        "amortised_hamiltonian",
        "Hamiltonian variational inference",
        "zoo fit dlgm --guide amortised_hamiltonian",
    ),
    "hamiltonian_variational_inference": Alias(
        "guide",
        "amortised_hamiltonian",
        "Hamiltonian variational inference",
        "zoo fit dlgm --guide amortised_hamiltonian",
    ),
    **dict.fromkeys(
        ("uha", "uncorrected_hamiltonian_annealing", "differentiable_ais", "dais"),
        Alias(
            "guide",
            "annealed",
            "annealed importance sampling inside a guide",
            "zoo fit eight_schools_noncentred --guide annealed",
        ),
    ),
    **dict.fromkeys(
        ("mcd", "monte_carlo_diffusion", "ldvi", "langevin_diffusion"),
        Alias(
            "guide",
            "diffusion",
            "an annealed chain with a learned way back",
            "zoo fit eight_schools_noncentred --guide diffusion",
        ),
    ),
    **dict.fromkeys(
        ("savae", "sa_vae", "semi_amortized"),
        Alias(
            "guide",
            "semi_amortised",
            "an encoder refined by steps on each row",
            "zoo fit vae --guide semi_amortised",
        ),
    ),
    "nvae": Alias("model", "hvae", "a hierarchical VAE", "zoo fit hvae --guide top_down"),
    "ladder_vae": Alias(
        "guide",
        "ladder",
        "a hierarchical VAE with the ladder's guide",
        "zoo fit hvae --guide ladder",
    ),
    "lvae": Alias(
        "guide",
        "ladder",
        "a hierarchical VAE with the ladder's guide",
        "zoo fit hvae --guide ladder",
    ),
    "discrete_vae": Alias(
        "model", "categorical_vae", "a VAE of one-hot latents", "zoo fit categorical_vae"
    ),
    "multimodal": Alias("model", "multimodal_vae", "the multimodal VAE", "zoo fit multimodal_vae"),
    "m2": Alias(
        "model",
        "semi_supervised_vae",
        "the semi-supervised VAE of Kingma et al., model M2",
        "zoo fit semi_supervised_vae",
    ),
    "ss_vae": Alias(
        "model", "semi_supervised_vae", "the semi-supervised VAE", "zoo fit semi_supervised_vae"
    ),
    "ssvae": Alias(
        "model", "semi_supervised_vae", "the semi-supervised VAE", "zoo fit semi_supervised_vae"
    ),
    "mvae": Alias("model", "multimodal_vae", "the multimodal VAE", "zoo fit multimodal_vae"),
    "gumbel_softmax": Alias(
        "guide",
        "relaxed",
        "the relaxation of one-hot latents",
        "zoo fit categorical_vae --guide relaxed",
    ),
    "permutation": Alias(
        "model",
        "latent_permutation",
        "measurements in an unknown order",
        "zoo fit latent_permutation",
    ),
    "permutations": Alias(
        "model",
        "latent_permutation",
        "measurements in an unknown order",
        "zoo fit latent_permutation",
    ),
    "sorting": Alias(
        "model",
        "latent_permutation",
        "measurements in an unknown order",
        "zoo fit latent_permutation",
    ),
    "plackett_luce": Alias(
        "guide",
        "amortised_plackett_luce",
        "a ranking drawn place by place",
        "zoo fit latent_permutation --guide amortised_plackett_luce",
    ),
    "mallows": Alias(
        "guide",
        "amortised_mallows",
        "permutations near an order",
        "zoo fit latent_permutation --guide amortised_mallows",
    ),
    "sinkhorn": Alias(
        "guide",
        "gumbel_sinkhorn",
        "the relaxation of permutations",
        "zoo fit latent_permutation --guide gumbel_sinkhorn",
    ),
    "concrete": Alias(
        "guide",
        "relaxed",
        "the relaxation of discrete latents",
        "zoo fit categorical_vae --guide relaxed",
    ),
    "lowrank": Alias(
        "guide",
        "low_rank",
        "a normal whose covariance is a diagonal plus a few directions",
        "zoo fit eight_schools --guide low_rank",
    ),
    "low_rank_multivariate_normal": Alias(
        "guide",
        "low_rank",
        "a normal whose covariance is a diagonal plus a few directions",
        "zoo fit eight_schools --guide low_rank",
    ),
    "vafc": Alias(
        "guide",
        "low_rank",
        "a normal with a factor covariance",
        "zoo fit eight_schools --guide low_rank",
    ),
    "structured_mean_field": Alias(
        "guide",
        "block_diagonal",
        "full-rank normals, one for each latent",
        "zoo fit eight_schools --guide block_diagonal",
    ),
    "multivariate_t": Alias(
        "guide",
        "student_t",
        "a multivariate Student's t",
        "zoo fit eight_schools --guide student_t",
    ),
    "studentt": Alias(
        "guide",
        "student_t",
        "a multivariate Student's t",
        "zoo fit eight_schools --guide student_t",
    ),
    "mixture_of_normals": Alias(
        "guide",
        "mixture",
        "a mixture of diagonal normals",
        "zoo fit eight_schools --guide mixture --objective stratified",
    ),
    "gaussian_mixture_guide": Alias(
        "guide",
        "mixture",
        "a mixture of diagonal normals",
        "zoo fit eight_schools --guide mixture --objective stratified",
    ),
    "selbo": Alias(
        "objective",
        "stratified",
        "the stratified ELBO of a mixture",
        "zoo fit eight_schools --guide mixture --objective stratified",
    ),
    "stratified_elbo": Alias(
        "objective",
        "stratified",
        "the stratified ELBO of a mixture",
        "zoo fit eight_schools --guide mixture --objective stratified",
    ),
    "auto_structured": Alias(
        "guide",
        "structured",
        "a normal of each latent given those before it",
        "zoo fit eight_schools --guide structured",
    ),
    "ancestral": Alias(
        "guide",
        "structured",
        "a normal of each latent given those before it",
        "zoo fit eight_schools --guide structured",
    ),
    "structured_vi": Alias(
        "guide",
        "structured",
        "a normal of each latent given those before it",
        "zoo fit eight_schools --guide structured",
    ),
    "automatic_structured_vi": Alias(
        "guide",
        "asvi",
        "automatic structured variational inference",
        "zoo fit eight_schools --guide asvi",
    ),
    "automatic_structured_variational_inference": Alias(
        "guide",
        "asvi",
        "automatic structured variational inference",
        "zoo fit eight_schools --guide asvi",
    ),
    "meanfield": Alias(
        "guide",
        "mean_field",
        "independent normals",
        "zoo fit eight_schools --guide mean_field",
    ),
    "advi": Alias(
        "guide",
        "mean_field",
        "independent normals on unconstrained latents",
        "zoo fit eight_schools --guide mean_field",
    ),
    "normalizing_flow": Alias(
        "guide",
        "amortised_planar",
        "a flow as the guide",
        "zoo fit vae --guide amortised_planar",
    ),
    "planar_flow": Alias(
        "guide",
        "amortised_planar",
        "the planar flow",
        "zoo fit vae --guide amortised_planar",
    ),
    "real_nvp": Alias("model", "realnvp", "a flow of affine couplings", "zoo fit realnvp"),
    "masked_autoregressive_flow": Alias(
        "model", "maf", "a masked autoregressive flow", "zoo fit maf"
    ),
    "neural_autoregressive_flow": Alias(
        "model", "naf", "a neural autoregressive flow", "zoo fit naf"
    ),
    "neural_spline_flow": Alias("model", "nsf", "a neural spline flow", "zoo fit nsf"),
    "spline_flow": Alias("model", "nsf", "a neural spline flow", "zoo fit nsf"),
    "moons": Alias("data", "two_moons", "two half circles", "zoo fit maf --data two_moons"),
    "poe": Alias(
        "guide",
        "product_of_experts",
        "the product of experts",
        "zoo fit multimodal_vae --guide product_of_experts",
    ),
    "fashion": Alias("data", "fashion_mnist", "Fashion-MNIST", "zoo fit vae --data fashion_mnist"),
    "khat": Alias("metric", "k_hat", "Pareto k-hat", "zoo fit vae --metrics k_hat"),
    "pareto_k": Alias("metric", "k_hat", "Pareto k-hat", "zoo fit vae --metrics k_hat"),
}

AS_MODELS: dict[str, str] = {  # an objective that papers name a model after -> its usual model
    "info_vae": "vae",
    "wae": "vae",
    "aae": "vae",
    "vae_gan": "gaussian_vae",
    "flow_gan": "realnvp",
    "flow_gan_adversarial": "realnvp",
}

COMMANDS: dict[str, str] = {  # a word in the place of a command -> what to type; {rest} is kept
    "train": "Training is `zoo fit {rest}`.",
    "homeworks": "Homework sheets are listed by `zoo homework list`.",
    "classroom": "Homework sheets are listed by `zoo homework list`.",
    "grade": "A class is graded by `zoo homework grade {rest}`.",
    "run": "Training is `zoo fit {rest}`.",
    "models": "Models are listed by `zoo list --models`.",
    "guides": "Guides are listed by `zoo list --guides`.",
    "objectives": "Objectives are listed by `zoo list --objectives`.",
    "metrics": "Metrics are listed by `zoo list --metrics`.",
    "pretrained": "Pretrained fits are listed by `zoo list --pretrained`; in Python "
    "fit = zoo.pretrained('vae').",
    "ls": "What there is is listed by `zoo list`.",
    "plot": "Pictures are written by `zoo fit MODEL --out DIR` (losses.png, images.png); in "
    "Python by fit.plot_loss(). `zoo picture` draws those that teach.",
    "sample": "Draws are made in Python: fit = zoo.load_fit('DIR'); fit.sample(10). "
    "`zoo fit MODEL --out DIR` saves a fit.",
    "encode": "Rows are encoded in Python: fit = zoo.load_fit('DIR'); fit.encode(x).",
    "reconstruct": "Rows are reconstructed in Python: fit = zoo.load_fit('DIR'); "
    "fit.reconstruct(x).",
    "tune": "Settings are tried out by `zoo sweep {rest}`.",
    "grid": "Settings are tried out by `zoo sweep {rest}`.",
    "search": "Settings are tried out by `zoo sweep {rest}`.",
    "score": "A saved fit is scored by `zoo evaluate {rest}`.",
    "eval": "A saved fit is scored by `zoo evaluate {rest}`.",
    "test": "A saved fit is scored by `zoo evaluate {rest}`.",
}

OPTIONS: dict[str, str] = {  # an option that the zoo does not have -> what it has instead
    "--learning-rate": "The learning rate is --lr {value}.",
    "--learning_rate": "The learning rate is --lr {value}.",
    "--iterations": "The number of steps is --steps {value}.",
    "--num-steps": "The number of steps is --steps {value}.",
    "--n-steps": "The number of steps is --steps {value}.",
    "--max-steps": "The number of steps is --steps {value}.",
    "--batch": "The number of rows in a step is --batch-size {value}.",
    "--bs": "The number of rows in a step is --batch-size {value}.",
    "--dataset": "The data set is --data {value}.",
    "--loss": "The objective is --objective {value}.",
    "--elbo": "The ELBO is --objective trace.",
    "--gpu": "A GPU is asked for by --device cuda.",
    "--cuda": "A GPU is asked for by --device cuda.",
    "--output": "The folder to write to is --out {value}.",
    "--save": "The folder to write to is --out {value}.",
    "--latent-dim": "The number of latent dimensions is --latent {value}.",
    "--z-dim": "The number of latent dimensions is --latent {value}.",
    "--samples": "Draws of each row, for scoring, are --draws {value}.",
    "--particles": "`zoo fit` and `zoo sweep` take --particles {value}; in Python the "
    "objective does: objectives=[zoo.objectives.IWAE(50)].",
    "--n-jobs": "Runs at a time are --jobs {value}, of `zoo compare` and `zoo sweep`.",
    "--workers": "Runs at a time are --jobs {value}, of `zoo compare` and `zoo sweep`.",
    "--metric": "Metrics, one or several, are --metrics {value}.",
}
