"""Estimators of the evidence that are known by name."""

from zoo.figures.ais import AnnealedImportance
from zoo.figures.bdmc import Bidirectional
from zoo.figures.evidence import Evidence
from zoo.figures.smc import TemperedSMC

ESTIMATORS: dict[str, Evidence] = {
    "ais": AnnealedImportance(),
    "ais_from_guide": AnnealedImportance(start="guide"),
    "smc": TemperedSMC(),
    "bdmc": Bidirectional(),
}
