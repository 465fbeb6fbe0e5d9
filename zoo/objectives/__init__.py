"""The objectives: one file each; this table is all that names them.

Every one is a frozen dataclass with its fields, its declared needs, and a loss in nats for the
full data whose gradient is the estimator. Pyro's own ELBO instances are taken as they are.
"""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace

from pyro.infer import ELBO
from torch import Tensor

from zoo.checks.arguments import look_up, refusal, whole
from zoo.objectives.aae import AdversarialAutoencoder
from zoo.objectives.arm import ARM
from zoo.objectives.arms import ARMS
from zoo.objectives.baselines import ConstantBaseline, DecayingAverage, Neural
from zoo.objectives.cd import ContrastiveDivergence
from zoo.objectives.ciwae import CIWAE
from zoo.objectives.classified import Classified
from zoo.objectives.cubo import CUBO
from zoo.objectives.disarm import DisARM
from zoo.objectives.disarm_tree import DisARMTree
from zoo.objectives.double_cv import DoubleControlVariates
from zoo.objectives.dreg import DoublyReparameterised
from zoo.objectives.enumerate import Enumerate
from zoo.objectives.flow_gan import FlowGAN
from zoo.objectives.forward_kl import ForwardKL
from zoo.objectives.free_bits import FreeBits
from zoo.objectives.gdreg import GeneralisedDoublyReparameterised
from zoo.objectives.info_vae import InfoVAE
from zoo.objectives.iwae import IWAE
from zoo.objectives.layer_sum import LayerSum
from zoo.objectives.local_sum import LocalSum
from zoo.objectives.loss_function import LossFunction
from zoo.objectives.mean_field import MeanFieldKL
from zoo.objectives.measure_valued import MeasureValued
from zoo.objectives.miwae import MIWAE
from zoo.objectives.msc import MarkovianScoreClimbing
from zoo.objectives.muprop import MuProp
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.pcd import PersistentContrastiveDivergence
from zoo.objectives.piwae import PIWAE
from zoo.objectives.pyro_elbo import PyroELBO
from zoo.objectives.rebar import REBAR
from zoo.objectives.reinforce import Reinforce
from zoo.objectives.relax import RELAX
from zoo.objectives.renyi import Renyi
from zoo.objectives.rloo import LeaveOneOut
from zoo.objectives.rodeo import RODEO
from zoo.objectives.rws import ReweightedWakeSleep
from zoo.objectives.stl import StickingTheLanding
from zoo.objectives.stratified import Stratified
from zoo.objectives.tail_adaptive import TailAdaptive
from zoo.objectives.trace import Trace
from zoo.objectives.trace_graph import TraceGraph
from zoo.objectives.tvo import Thermodynamic
from zoo.objectives.tvo_upper import ThermodynamicUpper
from zoo.objectives.unordered_set import UnorderedSet
from zoo.objectives.vae_gan import VAEGAN
from zoo.objectives.vimco import VIMCO
from zoo.objectives.vr_max import VRMax
from zoo.objectives.wake_sleep import WakeSleep

LossOfPair = Callable[..., Tensor]  # loss(model, guide, *args, **kwargs)

OBJECTIVES: dict[str, Objective] = {
    "trace": Trace(),
    "trace_graph": TraceGraph(),
    "nvil": TraceGraph(baselines=(DecayingAverage(), Neural())),
    "renyi": Renyi(),
    "iwae": IWAE(),
    "mean_field": MeanFieldKL(),
    "free_bits": FreeBits(),
    "stratified": Stratified(),
    "enumerate": Enumerate(),
    "classified": Classified(),
    "stl": StickingTheLanding(),
    "dreg": DoublyReparameterised(),
    "gdreg": GeneralisedDoublyReparameterised(),
    "tail_adaptive": TailAdaptive(),
    "vr_max": VRMax(),
    "miwae": MIWAE(),
    "ciwae": CIWAE(),
    "piwae": PIWAE(),
    "tvo": Thermodynamic(),
    "tvo_upper": ThermodynamicUpper(),
    "cubo": CUBO(),
    "reinforce": Reinforce(),
    "reinforce_average": Reinforce(baselines=(DecayingAverage(),)),
    "rloo": LeaveOneOut(),
    "vimco": VIMCO(),
    "vimco_geometric": VIMCO(geometric=True),
    "muprop": MuProp(),
    "rebar": REBAR(),
    "relax": RELAX(),
    "local_sum": LocalSum(),
    "layer_sum": LayerSum(),
    "measure_valued": MeasureValued(),
    "arm": ARM(),
    "disarm": DisARM(),
    "u2g": DisARM(),
    "disarm_tree": DisARMTree(),
    "unordered_set": UnorderedSet(),
    "arms": ARMS(),
    "double_cv": DoubleControlVariates(),
    "rodeo": RODEO(),
    "wake_sleep": WakeSleep(),
    "rws": ReweightedWakeSleep(),
    "forward_kl": ForwardKL(),
    "msc": MarkovianScoreClimbing(),
    "info_vae": InfoVAE(),
    "wae": InfoVAE(kernel="inverse_multiquadratic"),
    "aae": AdversarialAutoencoder(),
    "vae_gan": VAEGAN(),
    "flow_gan": FlowGAN(),
    "flow_gan_adversarial": FlowGAN(likelihood=0.0),
    "cd": ContrastiveDivergence(),
    "pcd": PersistentContrastiveDivergence(),
    "pcd_rloo": PersistentContrastiveDivergence(bound=LeaveOneOut()),
}


def as_objective(objective: "str | Objective | ELBO | LossOfPair") -> Objective:
    """An objective from its name, itself, one of Pyro's ELBO instances, or a loss function.

    Raises:
        ValueError: for a name that is not in the table, with a near one or all of them; for a
            class, where an instance is expected.
    """
    if isinstance(objective, type):
        raise refusal("objective", "an instance", objective, f"Pass {objective.__name__}().")
    if isinstance(objective, Objective):
        return objective
    if isinstance(objective, ELBO):
        return PyroELBO(objective)
    if callable(objective):
        return LossFunction(objective)
    return look_up("objective", objective, OBJECTIVES)


def with_particles(
    objective: "str | Objective | ELBO | LossOfPair", particles: object
) -> Objective:
    """An objective with another number of particles.

    Args:
        objective: as for :func:`as_objective`.
        particles: how many.

    Raises:
        ValueError: for an objective without particles, and for a wrong number.
    """
    found = as_objective(objective)
    if not is_dataclass(found) or "particles" not in {one.name for one in fields(found)}:
        raise ValueError(
            f"Objective '{objective}' has no particles; got particles={particles}. Leave them out."
        )
    count = whole("particles", particles)
    return replace(found, particles=count)  # type: ignore[call-arg]


__all__ = [
    "ARM",
    "ARMS",
    "AdversarialAutoencoder",
    "CIWAE",
    "CUBO",
    "Classified",
    "ConstantBaseline",
    "ContrastiveDivergence",
    "DecayingAverage",
    "DisARM",
    "DisARMTree",
    "DoubleControlVariates",
    "DoublyReparameterised",
    "Enumerate",
    "FlowGAN",
    "ForwardKL",
    "FreeBits",
    "GeneralisedDoublyReparameterised",
    "IWAE",
    "InfoVAE",
    "LayerSum",
    "LeaveOneOut",
    "LocalSum",
    "LossFunction",
    "MIWAE",
    "MarkovianScoreClimbing",
    "MeanFieldKL",
    "MeasureValued",
    "MuProp",
    "Needs",
    "Neural",
    "OBJECTIVES",
    "Objective",
    "PIWAE",
    "PersistentContrastiveDivergence",
    "PyroELBO",
    "REBAR",
    "RELAX",
    "RODEO",
    "Reinforce",
    "Renyi",
    "ReweightedWakeSleep",
    "StickingTheLanding",
    "Stratified",
    "TailAdaptive",
    "Thermodynamic",
    "ThermodynamicUpper",
    "Trace",
    "TraceGraph",
    "UnorderedSet",
    "VAEGAN",
    "VIMCO",
    "VRMax",
    "WakeSleep",
    "as_objective",
    "with_particles",
]
