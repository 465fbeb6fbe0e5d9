"""Data sets, each split and in the form that models take.

`load_data("digits")` gives a `Data`; its `train`, `valid` and `test` are tuples of tensors, the
positional arguments of a model. Files that do not come with a package are looked for in the
folder that the environment variable ZOO_DATA names.
"""

from typing import Protocol

from zoo.catalogue.python import said_of
from zoo.checks.arguments import flag, refusal, seed_given
from zoo.data import (
    banana,
    bars,
    binarized_mnist,
    breast_cancer,
    checkerboard,
    chords,
    clinics,
    cubic,
    digits,
    digits_dequantised,
    digits_jigsaw,
    digits_rows,
    double_well_particles,
    eight_schools,
    facing_moons,
    factor_analysis,
    fashion_mnist,
    few_labels,
    forty_gaussians,
    gaussian_mixture,
    gp_regression,
    hmm,
    labelled_tables,
    lattice_phi4,
    linear_regression,
    local_level,
    lost_labels,
    many_well,
    mnist,
    modalities,
    neals_funnel,
    pinwheel,
    planted_directions,
    planted_tree,
    radon,
    ratings,
    regression_tables,
    rings,
    seeds,
    series,
    tables,
    two_moons,
)
from zoo.data.binarize import MODES, draw_bits
from zoo.data.data import Batch, Data, Observe, keep
from zoo.data.places import DataNotFound
from zoo.errors import unknown_data

__all__ = [
    "DATA",
    "MODES",
    "Batch",
    "Data",
    "DataNotFound",
    "Loader",
    "Observe",
    "draw_bits",
    "keep",
    "load_data",
]


class Loader(Protocol):
    """What every data set's file offers as `load`; its binarization has a default there."""

    def __call__(self, seed: int = ..., binarize: str = ..., *, download: bool = ...) -> Data:
        """Load the data set."""
        ...


DATA: dict[str, Loader] = {
    "binarized_mnist": binarized_mnist.load,
    "breast_cancer": breast_cancer.load,
    "digits": digits.load,
    "digits_50_labels": few_labels.digits_50_labels,
    "digits_100_labels": few_labels.digits_100_labels,
    "digits_300_labels": few_labels.digits_300_labels,
    "digits_halves": modalities.digits_halves,
    "digits_jigsaw": digits_jigsaw.digits_jigsaw,
    "digits_jigsaw_6": digits_jigsaw.digits_jigsaw_6,
    "digits_jigsaw_9": digits_jigsaw.digits_jigsaw_9,
    "digits_labels": modalities.digits_labels,
    "eight_schools": eight_schools.load,
    "bars": bars.load,
    "clinics": clinics.load,
    "autoregression": series.autoregression_series,
    "coal_mines": series.coal_mines,
    "garch": series.garch_returns,
    "hudson_bay": series.hudson_bay,
    "item_response": series.answers,
    "log_gaussian_cox": series.cells,
    "stochastic_volatility": series.volatile_returns,
    "fashion_100_labels": few_labels.fashion_100_labels,
    "fashion_600_labels": few_labels.fashion_600_labels,
    "fashion_1000_labels": few_labels.fashion_1000_labels,
    "fashion_3000_labels": few_labels.fashion_3000_labels,
    "fashion_halves": modalities.fashion_halves,
    "fashion_labels": modalities.fashion_labels,
    "fashion_mnist": fashion_mnist.load,
    "mnist": mnist.load,
    "factor_analysis": factor_analysis.load,
    "linear_regression": linear_regression.load,
    "gaussian_mixture": gaussian_mixture.load,
    "hmm": hmm.load,
    "local_level": local_level.load,
    "lost_labels": lost_labels.load,
    "chords": chords.load,
    "digits_rows": digits_rows.load,
    "gp_regression": gp_regression.load,
    "neals_funnel": neals_funnel.load,
    "neals_funnel_2": neals_funnel.neals_funnel_2,
    "banana": banana.load,
    "facing_moons": facing_moons.load,
    "forty_gaussians": forty_gaussians.load,
    "lattice_phi4": lattice_phi4.load,
    "many_well": many_well.load,
    "double_well_particles": double_well_particles.load,
    "two_moons": two_moons.load,
    "rings": rings.load,
    "pinwheel": pinwheel.load,
    "planted_directions": planted_directions.load,
    "planted_tree": planted_tree.load,
    "checkerboard": checkerboard.load,
    "digits_dequantised": digits_dequantised.load,
    "breast_cancer_table": tables.breast_cancer_table,
    "wine_table": tables.wine_table,
    "ionosphere_table": tables.ionosphere_table,
    "seeds": seeds.load,
    "ratings": ratings.load,
    "radon": radon.load,
    "ionosphere": labelled_tables.ionosphere,
    "sonar": labelled_tables.sonar,
    "credit": labelled_tables.credit,
    "cubic": cubic.load,
    "boston": regression_tables.boston,
    "concrete": regression_tables.concrete,
    "wine_quality": regression_tables.wine_quality,
    "yacht": regression_tables.yacht,
}


def load_data(
    name: str, *, seed: int = 0, binarize: str | None = None, download: bool = False
) -> Data:
    """Load a data set by name.

    Args:
        name: A name in `DATA`.
        seed: Seed of the split and of the bits drawn once, where the set has either.
        binarize: "none", "threshold", "static" or "dynamic"; None for the set's own default.
        download: Whether to download files that are missing, where that is possible.

    Returns:
        The data set, in torch's default dtype on the CPU.

    Raises:
        DataNotFound: If files are missing.
        ValueError: If the name is unknown, the set does not have this binarization, or a
            file is damaged.
    """
    if not isinstance(name, str):
        raise refusal("data", f"a name among {', '.join(DATA)}", name, "Pass e.g. 'digits'.")
    if name not in DATA:
        said = said_of("data", name, near=False)
        raise unknown_data(name, DATA) if said is None else ValueError(said)
    seed, download = seed_given(seed), flag("download", download)
    if binarize is None:
        return DATA[name](seed, download=download)
    return DATA[name](seed, binarize, download=download)
