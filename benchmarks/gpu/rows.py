"""The rows of the benchmark on a GPU, the most telling first."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.gpu import correctness, fits, speed
from benchmarks.gpu.place import Place
from benchmarks.speed import tasks
from benchmarks.vaes import published

__all__ = ["PARTS", "Place", "Row", "rows_of"]

PARTS = {
    "correctness": "blocks, gradients and scores beside the CPU's; checkpoints; the tests",
    "speed": "steps beside hand-written PyTorch and NumPyro; batch sizes, replicas, costs",
    "main": "the main job on Fashion-MNIST",
    "published": "published rows at full length, two seeds",
    "estimators": "variances of gradient estimators up to a million steps, five seeds",
}
FIRST = (speed.SCHOOLS, speed.VAE, "bernoulli_latent/amortised_discrete/1")
BATCHES = (128, 256, 512, 1024, 2048, 4096, 8192)
REPLICAS = (1, 4, 16, 64, 256, 1024)
COSTS = {"rows": (10**3, 10**4, 10**5, 10**6), "particles": (1, 4, 16, 64, 256, 1024)}
STOPS, SEEDS = (1000, 10_000, 100_000, 1_000_000), 5
QUICK = "not slow and not exhaustive and not thorough"


@dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        part: one of PARTS.
        name: of the row in its part.
        measure: what it measures, at a place.
        expected: seconds that have to be left for it to begin; a guess.
        goes_on: does it keep checkpoints, so that it may be stopped anywhere?
    """

    part: str
    name: str
    measure: Callable[[Place], dict]
    expected: float = 90.0
    goes_on: bool = False


def rows_of(*, small: bool) -> list[Row]:
    """All rows in order; of a smoke run, a short one or two of each part."""
    if small:
        return smoke()
    rest = [row for row in tasks.ROWS if row not in FIRST]
    return [
        *(row for name in FIRST for row in (right(name), fast(name))),
        *(replicas(speed.SCHOOLS, count) for count in (1, 256)),
        right(speed.SCHOOLS, several=True),
        checkpoints(),
        suite("the block's tests", "tests/compile/test_cuda_block.py", ""),
        suite("the product of models, guides and objectives", PRODUCT, QUICK),
        *map(main, fits.PAIRS),
        *map(batch, BATCHES),
        *map(right, rest),
        *map(fast, rest),
        *(replicas(speed.SCHOOLS, count) for count in REPLICAS if count not in (1, 256)),
        *(replicas(speed.VAE, count) for count in (1, 4, 16)),
        *(cost(axis, size) for axis, sizes in COSTS.items() for size in sizes),
        *(row for seed in range(fits.SEEDS) for row in published_rows(seed)),
        *(study(stop, seed) for seed in range(SEEDS) for stop in STOPS),
        suite("the whole product", PRODUCT, "thorough", expected=500.0),
        suite("all captures", "tests/compile", "thorough", expected=500.0),
    ]


def smoke() -> list[Row]:
    return [
        right(speed.SCHOOLS),
        checkpoints(),
        fast(speed.SCHOOLS),
        replicas(speed.SCHOOLS, 2),
        main(fits.PAIRS[0]),
        published_row(published.SETTINGS[5], 0),
        study(20, 0),
        study(40, 0),
    ]


PRODUCT = "tests/pairing/test_product.py"


def right(name: str, *, several: bool = False) -> Row:
    """Is that row of the speed benchmark the same on the device?"""

    def measure(place: Place) -> dict:
        if several:
            return correctness.blocks(name, place, correctness.SEVERAL)
        block, plain = correctness.blocks(name, place), correctness.gradients(name, place)
        return block | plain | {"right": block["right"] and plain["right"]}

    return Row("correctness", f"{name}{', replicas' * several}", measure, 60.0)


def checkpoints() -> Row:
    return Row("correctness", "checkpoints", correctness.checkpoints, 30.0)


def suite(name: str, path: str, marks: str, expected: float = 200.0) -> Row:
    def measure(place: Place) -> dict:
        return correctness.tests(place, path, marks)

    return Row("correctness", name, measure, expected)


def fast(name: str) -> Row:
    return Row("speed", name, partial(speed.one_row, name), 120.0)


def batch(size: int) -> Row:
    return Row("speed", f"batch of {size}", partial(speed.batch_size, size))


def replicas(name: str, count: int) -> Row:
    measure = partial(speed.replicas, name, count)
    return Row("speed", f"{name}, {count} replicas", measure, 90.0 + 0.2 * count)


def cost(axis: str, size: int) -> Row:
    return Row("speed", f"{axis}: {size}", lambda place: speed.cost(axis, size))


def main(pair: tuple[str, str]) -> Row:
    return Row("main", " x ".join(pair), partial(fits.main_job, *pair), 120.0)


def published_rows(seed: int) -> list[Row]:
    return [published_row(setting, seed) for setting in published.SETTINGS]


def published_row(setting: published.Setting, seed: int) -> Row:
    measure = partial(fits.published_row, setting, seed)
    return Row("published", f"{setting.name}, seed {seed}", measure, goes_on=True)


def study(stop: int, seed: int) -> Row:
    measure = partial(fits.estimators, stop, seed)
    return Row("estimators", f"{stop:,} steps, seed {seed}", measure, goes_on=True)
