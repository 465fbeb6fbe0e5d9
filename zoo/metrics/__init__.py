"""Metrics: tensors in, a number with its error out. The table names those of the weights."""

from zoo.metrics.bounds import ImportanceBound, elbo, log_evidence
from zoo.metrics.metric import Figure, WeightFigure
from zoo.metrics.weight_diagnostics import (
    TIED,
    effective_sample_size,
    k_hat,
    k_hat_share,
    largest_weight,
)

WEIGHT_FIGURES: dict[str, WeightFigure] = {
    "elbo": WeightFigure(elbo),
    "iwae_10": WeightFigure(ImportanceBound(10)),
    "iwae_100": WeightFigure(ImportanceBound(100)),
    "log_evidence": WeightFigure(log_evidence, logarithm=True),
    "ess": WeightFigure(effective_sample_size, unit="draws"),
    "largest_weight": WeightFigure(largest_weight, unit="of the weight", better="lower"),
    "k_hat": WeightFigure(k_hat, unit="", better="lower", typical=True, undefined=TIED),
    "k_hat_share": WeightFigure(
        k_hat_share, unit="of rows", better="lower", share=True, undefined=TIED
    ),
}

__all__ = ["WEIGHT_FIGURES", "Figure", "ImportanceBound", "WeightFigure"]
