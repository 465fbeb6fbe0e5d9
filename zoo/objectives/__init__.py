"""The objectives: one file each; this table is all that names them.

Every one is a frozen dataclass with its fields, its declared needs, and a loss in nats for the
full data whose gradient is the estimator. Pyro's own ELBO instances are taken as they are.
"""

from difflib import get_close_matches

from pyro.infer import ELBO

from zoo.objectives.baselines import DecayingAverage, Neural
from zoo.objectives.disarm import DisARM
from zoo.objectives.enumerate import Enumerate
from zoo.objectives.iwae import IWAE
from zoo.objectives.mean_field import MeanFieldKL
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.pyro_elbo import PyroELBO
from zoo.objectives.renyi import Renyi
from zoo.objectives.rloo import LeaveOneOut
from zoo.objectives.stl import StickingTheLanding
from zoo.objectives.trace import Trace
from zoo.objectives.trace_graph import TraceGraph

OBJECTIVES: dict[str, Objective] = {
    "trace": Trace(),
    "trace_graph": TraceGraph(),
    "nvil": TraceGraph(baselines=(DecayingAverage(), Neural())),
    "renyi": Renyi(),
    "iwae": IWAE(),
    "mean_field": MeanFieldKL(),
    "enumerate": Enumerate(),
    "stl": StickingTheLanding(),
    "rloo": LeaveOneOut(),
    "disarm": DisARM(),
}


def as_objective(objective: "str | Objective | ELBO") -> Objective:
    """An objective from its name, itself, or one of Pyro's ELBO instances.

    Raises:
        ValueError: for a name that is not in the table, with the nearest one that is.
    """
    if isinstance(objective, Objective):
        return objective
    if isinstance(objective, ELBO):
        return PyroELBO(objective)
    if objective in OBJECTIVES:
        return OBJECTIVES[objective]
    near = get_close_matches(str(objective), OBJECTIVES, n=1) or list(OBJECTIVES)
    raise ValueError(f"No objective named '{objective}'. Did you mean '{near[0]}'?")


__all__ = [
    "IWAE",
    "OBJECTIVES",
    "DecayingAverage",
    "DisARM",
    "Enumerate",
    "LeaveOneOut",
    "MeanFieldKL",
    "Needs",
    "Neural",
    "Objective",
    "PyroELBO",
    "Renyi",
    "StickingTheLanding",
    "Trace",
    "TraceGraph",
    "as_objective",
]
