"""Figures of merit: one file each; this table names those made of log importance weights."""

from zoo.figures.ais import AnnealedImportance
from zoo.figures.bdmc import Bidirectional
from zoo.figures.elbo import elbo
from zoo.figures.ess import effective_sample_size
from zoo.figures.estimators import ESTIMATORS
from zoo.figures.evidence import Evidence
from zoo.figures.figure import Figure, WeightFigure
from zoo.figures.iwae import ImportanceBound
from zoo.figures.k_hat import TIED, k_hat, k_hat_share
from zoo.figures.largest_weight import largest_weight
from zoo.figures.log_evidence import log_evidence
from zoo.figures.smc import TemperedSMC
from zoo.figures.streamed_bound import StreamedBound

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

__all__ = [
    "ESTIMATORS",
    "WEIGHT_FIGURES",
    "AnnealedImportance",
    "Bidirectional",
    "Evidence",
    "Figure",
    "ImportanceBound",
    "StreamedBound",
    "TemperedSMC",
    "WeightFigure",
]
