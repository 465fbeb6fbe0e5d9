"""Metrics: functions of tensors that give a number with its standard error.

`WEIGHT_METRICS` names those that are computed from log importance weights.
"""

from zoo.metrics.bounds import ImportanceBound, chi_upper_bound, elbo, log_evidence
from zoo.metrics.metric import Metric
from zoo.metrics.weight_diagnostics import (
    TIED,
    effective_sample_size,
    k_hat,
    k_hat_share,
    largest_weight,
)
from zoo.metrics.weight_metric import WeightMetric

WEIGHT_METRICS: dict[str, WeightMetric] = {
    "elbo": WeightMetric(elbo),
    "iwae_10": WeightMetric(ImportanceBound(10)),
    "iwae_100": WeightMetric(ImportanceBound(100)),
    "log_evidence": WeightMetric(log_evidence, bias=0.5),
    "cubo": WeightMetric(chi_upper_bound, better="lower", bias=1.0),
    "ess": WeightMetric(effective_sample_size, unit="draws"),
    "largest_weight": WeightMetric(largest_weight, unit="of the weight", better="lower"),
    "k_hat": WeightMetric(k_hat, unit="", better="lower", typical=True, undefined=TIED),
    "k_hat_share": WeightMetric(
        k_hat_share, unit="of rows", better="lower", share=True, undefined=TIED
    ),
}

__all__ = ["WEIGHT_METRICS", "Metric", "ImportanceBound", "WeightMetric"]
