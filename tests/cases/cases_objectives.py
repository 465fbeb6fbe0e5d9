"""What the tests say of every objective: its guides, and what its gradient is held against."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from network_of_causes import exact_elbo, exact_renyi_of_two

from zoo.objectives import (
    IWAE,
    DecayingAverage,
    DisARM,
    DisARMTree,
    LeaveOneOut,
    Neural,
    Objective,
    Renyi,
    Trace,
    TraceGraph,
    UnorderedSet,
)


class ObjectiveCase(NamedTuple):
    """What the tests ask of an objective.

    Its mean gradient is compared with the exact one on a small network of binary causes, or in a
    test file of its own.

    Attributes:
        guides: objectives with the same word go with the same guides: `cases_pairs` says which.
        small: the objective with few draws, for the small network.
        bound: the program and the rows -> the exact bound there, nats, whose gradient it has.
        tests: name of the file with a closer test, in the place of `small` and `bound`.
        leaves: names of parameters that no loss of it depends on, in models that have them.
    """

    guides: str
    small: Objective | None = None
    bound: Callable | None = None
    tests: str = ""
    leaves: tuple[str, ...] = ()


NVIL = TraceGraph(baselines=(DecayingAverage(), Neural((4,))))
exact_iwae_of_two = partial(exact_renyi_of_two, 0.0)


def tested_in(guides: str, tests: str) -> ObjectiveCase:
    """A case whose closer test stands in a file of its own."""
    return ObjectiveCase(guides, tests=f"test_{tests}")


OBJECTIVE_CASES: dict[str, ObjectiveCase] = {
    "trace": ObjectiveCase("any", Trace(), exact_elbo),
    "trace_graph": ObjectiveCase("any", TraceGraph(), exact_elbo),
    "nvil": ObjectiveCase("discrete", NVIL, exact_elbo),
    "renyi": ObjectiveCase("any", Renyi(2, alpha=0.5), partial(exact_renyi_of_two, 0.5)),
    "iwae": ObjectiveCase("any", IWAE(2), exact_iwae_of_two),
    "mean_field": tested_in("closed KL", "gradients_exact"),
    "free_bits": tested_in("closed KL", "estimators_free_bits"),
    "stratified": tested_in("mixtures", "estimators_stratified"),
    "info_vae": tested_in("one latent a row", "info_vae"),
    "wae": tested_in("one latent a row", "info_vae"),
    "aae": tested_in("draws of one latent a row", "adversaries"),
    "vae_gan": ObjectiveCase(
        "means of one latent a row",
        tests="test_vae_gan",
        leaves=("model.log_scale", "model.log_noise"),  # of the noise around the mean
    ),
    "flow_gan": tested_in("draws of whole rows", "flow_gan"),
    "flow_gan_adversarial": tested_in("draws of whole rows", "flow_gan"),
    "cd": tested_in("energies", "contrastive_divergence"),
    "pcd": tested_in("energies", "contrastive_divergence"),
    "pcd_rloo": tested_in("energies by scores", "contrastive_divergence"),
    "enumerate": tested_in("discrete", "gradients_exact"),
    "classified": tested_in("labels", "classified"),
    "stl": tested_in("paths", "gradients_exact"),
    "dreg": tested_in("paths", "estimators_paths"),
    "gdreg": tested_in("prior paths", "estimators_gdreg"),
    "tail_adaptive": tested_in("paths", "estimators_paths"),
    "vr_max": tested_in("any", "estimators_samples"),
    "miwae": tested_in("any", "estimators_samples"),
    "ciwae": tested_in("any", "estimators_samples"),
    "piwae": tested_in("any", "estimators_samples"),
    "tvo": tested_in("scores", "estimators_samples"),
    "tvo_upper": tested_in("scores", "estimators_upper"),
    "cubo": tested_in("scores", "estimators_upper"),
    "reinforce": tested_in("scores", "estimators_score"),
    "reinforce_average": tested_in("scores", "estimators_score"),
    "rloo": ObjectiveCase("scores", LeaveOneOut(), exact_elbo),
    "vimco": tested_in("scores", "estimators_score"),
    "vimco_geometric": tested_in("scores", "estimators_score"),
    "muprop": tested_in("categorical", "estimators_rebar"),
    "rebar": tested_in("categorical", "estimators_rebar"),
    "relax": tested_in("categorical", "estimators_rebar"),
    "local_sum": tested_in("categorical", "estimators_sums"),
    "layer_sum": tested_in("discrete", "estimators_sums"),
    "measure_valued": tested_in("independent", "estimators_measure_valued"),
    "arm": tested_in("bits", "estimators_binary"),
    "disarm": ObjectiveCase("bits", DisARM(), exact_elbo),
    "u2g": tested_in("bits", "estimators_binary"),
    "disarm_tree": ObjectiveCase("categorical", DisARMTree(), exact_elbo),
    "unordered_set": ObjectiveCase("categorical", UnorderedSet(3), exact_elbo),
    "arms": tested_in("bits", "estimators_binary"),
    "double_cv": tested_in("bits", "estimators_binary"),
    "rodeo": tested_in("bits", "estimators_binary"),
    "wake_sleep": tested_in("simulated rows", "estimators_wake_sleep"),
    "rws": tested_in("simulated rows", "estimators_wake_sleep"),
    "forward_kl": tested_in("scores", "estimators_wake_sleep"),
    "msc": tested_in("given draws", "estimators_chains"),
}


def going_with(guides: str) -> set[str]:
    """The objectives whose case has that word.

    Raises:
        ValueError: if there are none.
    """
    found = {name for name, case in OBJECTIVE_CASES.items() if case.guides == guides}
    if not found:
        raise ValueError(f"Expected a word of some case; got '{guides}'.")
    return found
