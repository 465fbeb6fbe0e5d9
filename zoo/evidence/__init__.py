"""Estimators of log p(x) by annealing: AIS, sequential and bidirectional Monte Carlo."""

from zoo.evidence.ais import AnnealedImportance
from zoo.evidence.bdmc import Bidirectional
from zoo.evidence.estimator import Evidence
from zoo.evidence.smc import TemperedSMC
from zoo.evidence.streamed_bound import StreamedBound

ESTIMATORS: dict[str, Evidence] = {
    "ais": AnnealedImportance(),
    "ais_from_guide": AnnealedImportance(start="guide"),
    "smc": TemperedSMC(),
    "bdmc": Bidirectional(),
}

__all__ = [
    "ESTIMATORS",
    "AnnealedImportance",
    "Bidirectional",
    "Evidence",
    "StreamedBound",
    "TemperedSMC",
]
