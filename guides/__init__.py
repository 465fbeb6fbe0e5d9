"""Variational families for Pyro models: one family a file; this table is all that names them."""

from collections.abc import Callable
from functools import partial

from guides.amortised_discrete import AmortisedDiscrete
from guides.amortised_full_rank import AmortisedFullRank
from guides.amortised_hamiltonian import AmortisedHamiltonian
from guides.amortised_householder import AmortisedHouseholder
from guides.amortised_iaf import AmortisedIAF
from guides.amortised_layers import AmortisedLayers
from guides.amortised_mallows import AmortisedMallows
from guides.amortised_matching import AmortisedMatching
from guides.amortised_naf import AmortisedNAF
from guides.amortised_normal import AmortisedNormal
from guides.amortised_plackett_luce import AmortisedPlackettLuce
from guides.amortised_planar import AmortisedPlanar
from guides.amortised_point import AmortisedPoint
from guides.amortised_power_spherical import AmortisedPowerSpherical
from guides.amortised_recurrent import AmortisedRecurrent
from guides.amortised_spline import AmortisedSpline
from guides.amortised_sylvester import AmortisedSylvester
from guides.amortised_von_mises_fisher import AmortisedVonMisesFisher
from guides.amortised_wrapped_normal import AmortisedWrappedNormal
from guides.annealed import Annealed
from guides.asvi import ASVI
from guides.block_diagonal import BlockDiagonal
from guides.bottom_up import BottomUp
from guides.composed import compose
from guides.conditioned_normal import ConditionedNormal
from guides.coordinate_ascent import CoordinateAscent
from guides.diffusion import Diffusion
from guides.empty import Empty
from guides.full_rank import FullRank
from guides.guide import Guide
from guides.gumbel_sinkhorn import GumbelSinkhorn
from guides.hamiltonian import Hamiltonian
from guides.iaf import IAF
from guides.laplace import Laplace
from guides.low_rank import LowRank
from guides.mean_field import MeanField
from guides.mixture import Mixture
from guides.multi_pathfinder import MultiPathfinder
from guides.naf import NAF
from guides.pathfinder import Pathfinder
from guides.per_datum import PerDatum
from guides.per_datum_full_rank import PerDatumFullRank
from guides.per_datum_iaf import PerDatumIAF
from guides.planar import PlanarFlow
from guides.product_of_experts import ProductOfExperts
from guides.realnvp import RealNVP
from guides.recurrent import Recurrent
from guides.relaxed import Relaxed
from guides.score_matched import ScoreMatched
from guides.semi_amortised import SemiAmortised
from guides.semi_supervised import SemiSupervised
from guides.shared import SharedEncoder
from guides.spline import SplineFlow
from guides.structured import Structured
from guides.student_t import StudentT
from guides.top_down import TopDown
from guides.uniform import UniformNoise
from zoo.checks.arguments import look_up

GUIDES: dict[str, Callable[..., Guide]] = {
    "mean_field": MeanField,
    "full_rank": FullRank,
    "low_rank": LowRank,
    "block_diagonal": BlockDiagonal,
    "student_t": StudentT,
    "mixture": Mixture,
    "structured": Structured,
    "asvi": ASVI,
    "iaf": IAF,
    "planar": PlanarFlow,
    "realnvp": RealNVP,
    "spline": SplineFlow,
    "naf": NAF,
    "hamiltonian": Hamiltonian,
    "annealed": Annealed,
    "diffusion": Diffusion,
    "per_datum": PerDatum,
    "laplace": Laplace,
    "pathfinder": Pathfinder,
    "multi_pathfinder": MultiPathfinder,
    "score_matched": ScoreMatched,
    "per_datum_full_rank": PerDatumFullRank,
    "per_datum_iaf": PerDatumIAF,
    "amortised_normal": AmortisedNormal,
    "conditioned_normal": ConditionedNormal,
    "amortised_fixed_scale": partial(AmortisedNormal, fixed_scale=0.5),
    "amortised_point": AmortisedPoint,
    "amortised_full_rank": AmortisedFullRank,
    "amortised_iaf": AmortisedIAF,
    "amortised_planar": AmortisedPlanar,
    "amortised_householder": AmortisedHouseholder,
    "amortised_sylvester": AmortisedSylvester,
    "amortised_naf": AmortisedNAF,
    "amortised_spline": AmortisedSpline,
    "amortised_hamiltonian": AmortisedHamiltonian,
    "semi_amortised": SemiAmortised,
    "amortised_power_spherical": AmortisedPowerSpherical,
    "amortised_von_mises_fisher": AmortisedVonMisesFisher,
    "amortised_wrapped_normal": AmortisedWrappedNormal,
    "shared": SharedEncoder,
    "uniform_noise": UniformNoise,
    "bottom_up": BottomUp,
    "top_down": TopDown,
    "ladder": partial(TopDown, combine="precision"),
    "recurrent": Recurrent,
    "product_of_experts": ProductOfExperts,
    "amortised_recurrent": AmortisedRecurrent,
    "amortised_discrete": AmortisedDiscrete,
    "amortised_layers": AmortisedLayers,
    "semi_supervised": SemiSupervised,
    "relaxed": Relaxed,
    "straight_through": partial(Relaxed, straight_through=True),
    "gumbel_rao": partial(Relaxed, straight_through=True, rao=10),
    "amortised_plackett_luce": AmortisedPlackettLuce,
    "amortised_matching": AmortisedMatching,
    "amortised_mallows": AmortisedMallows,
    "gumbel_sinkhorn": GumbelSinkhorn,
    "sinkhorn_straight_through": partial(GumbelSinkhorn, straight_through=True),
    "coordinate_ascent": CoordinateAscent,
    "mean_field+amortised_normal": compose(MeanField, AmortisedNormal),
    "full_rank+amortised_normal": compose(FullRank, AmortisedNormal),
    "full_rank+conditioned_normal": compose(FullRank, ConditionedNormal),
    "empty": Empty,
}
TOGETHER = "+"


def guide_named(name: str) -> Callable[..., Guide]:
    """The guide of that name in the table, or several composed: ``full_rank+amortised_normal``.

    Raises:
        ValueError: for a name that is not in the table, with a near one or all of them, and for
            guides that cannot be composed.
    """
    if name in GUIDES:
        return GUIDES[name]
    found = [look_up("guide", part, GUIDES) for part in name.split(TOGETHER)]
    return found[0] if len(found) == 1 else compose(*found)


__all__ = [
    "ASVI",
    "GUIDES",
    "IAF",
    "AmortisedDiscrete",
    "AmortisedFullRank",
    "AmortisedHamiltonian",
    "AmortisedHouseholder",
    "AmortisedIAF",
    "AmortisedLayers",
    "AmortisedMallows",
    "AmortisedMatching",
    "AmortisedNAF",
    "AmortisedNormal",
    "AmortisedPlackettLuce",
    "AmortisedPlanar",
    "AmortisedPoint",
    "AmortisedRecurrent",
    "AmortisedSpline",
    "AmortisedPowerSpherical",
    "AmortisedSylvester",
    "AmortisedVonMisesFisher",
    "AmortisedWrappedNormal",
    "BlockDiagonal",
    "Annealed",
    "BottomUp",
    "CoordinateAscent",
    "ConditionedNormal",
    "Diffusion",
    "Empty",
    "FullRank",
    "Guide",
    "Hamiltonian",
    "GumbelSinkhorn",
    "LowRank",
    "Laplace",
    "MeanField",
    "NAF",
    "Mixture",
    "Pathfinder",
    "MultiPathfinder",
    "ScoreMatched",
    "PerDatum",
    "PerDatumFullRank",
    "PerDatumIAF",
    "PlanarFlow",
    "ProductOfExperts",
    "RealNVP",
    "Recurrent",
    "Relaxed",
    "SemiAmortised",
    "SemiSupervised",
    "SharedEncoder",
    "Structured",
    "StudentT",
    "SplineFlow",
    "UniformNoise",
    "TopDown",
    "compose",
    "guide_named",
]
