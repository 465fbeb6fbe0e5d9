"""The pictures of docs/: which command makes each, and all that the committed results can draw.

    python -m benchmarks.pages.pictures              # every picture that results/ holds
    python -m benchmarks.pages.pictures ladder hvae  # some of them

Nothing is measured or trained. Pictures that show more than the results hold, such as draws and
images, are made by the command that trains. Each is written as PNG and as SVG; an SVG of more than
200 kB is not kept, since it is mostly pixels.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import records
from benchmarks.estimators import fashion, jigsaw, networks, permutations, reinforce, wake_sleep
from benchmarks.pages import densities, energies, flow_gan
from benchmarks.pages.gallery_pictures import draw
from benchmarks.pages.gallery_sections import SECTIONS
from benchmarks.posteriors import pictures as posteriors
from benchmarks.speed import scaling
from benchmarks.vaes import collapse, deep_markov, hamiltonian, held, hierarchical, ladder
from benchmarks.vaes import draw as draw_steps
from benchmarks.vaes import manifolds as curved
from zoo.demos.amortisation import columns_of, draw_amortisation
from zoo.gradients.pictures import temperature_picture
from zoo.gradients.results import row_of

ALL = "all"
LARGEST = 200_000  # bytes of an SVG that is kept


@dataclass(frozen=True)
class Drawn:
    """How a picture of docs/ comes about.

    Attributes:
        command: what measures, or trains, what it shows.
        draw: draws it from the committed results to a path; None where they do not hold it.
    """

    command: str
    draw: Callable[[Path], object] | None = None


def result(name: str) -> dict:
    """A committed record."""
    return records.read(records.RESULTS / name)


def of_estimators(name: str, module: object) -> Drawn:
    """A picture of docs/estimators.md."""
    path = f"estimators/{name}.json"
    return Drawn(
        f"python -m benchmarks.estimators.run {name}",
        lambda file: module.picture(result(path), file),  # type: ignore[attr-defined]
    )


def from_sections() -> dict[str, Drawn]:
    """The pictures of the gallery that are dots of a table."""
    return {
        Path(section.picture).stem: Drawn(
            section.command,
            partial(_dots, section.result, section.dots),
        )
        for section in SECTIONS
        if section.dots is not None
    }


def _dots(name: str, dots: object, path: Path) -> None:
    draw(result(name)["rows"], dots, path)  # type: ignore[arg-type]


def _amortisation(path: Path) -> None:
    draw_amortisation(*columns_of(records.read(records.DOCS / "amortisation.json")), path)


def _temperature(path: Path) -> None:
    rows = [row_of(row) for row in result("temperature.json")["rows"]]
    temperature_picture(rows, path)


MULTIMODAL, MUSEUM = "python -m benchmarks.vaes.multimodal", "python -m benchmarks.pages.failures"
HIERARCHICAL = "python -m benchmarks.vaes.hierarchical"
DRAW = "python -m benchmarks.vaes.draw"
POSTERIORS = "python -m benchmarks.posteriors"
FLOWS = "python -m benchmarks.densities.flows"
PICTURES = {
    "amortisation": Drawn("zoo picture amortisation --out docs", _amortisation),
    "four_points": Drawn("zoo picture four_points --out docs"),
    "images": Drawn("zoo compare --out runs/main"),
    "ladder": Drawn(
        "python -m benchmarks.vaes.run ladder",
        partial(ladder.picture, records.RESULTS / "vaes" / ladder.PANELS),
    ),
    "collapse": Drawn(
        "python -m benchmarks.vaes.collapse",
        lambda path: collapse.picture(result("collapse.json")["rows"], path),
    ),
    "densities": Drawn(
        "python -m benchmarks.densities",
        lambda path: densities.picture(result("densities.json"), path),
    ),
    "densities_grey": Drawn(
        "python -m benchmarks.densities grey",
        lambda path: densities.grey_picture(result("densities.json"), path),
    ),
    "draw": Drawn(DRAW, lambda path: draw_steps.picture(result("draw.json"), path)),
    "draw_canvas": Drawn(DRAW),
    "draw_mnist": Drawn(
        f"{DRAW} mnist", lambda path: draw_steps.picture(result("draw_mnist.json"), path)
    ),
    "draw_mnist_canvas": Drawn(f"{DRAW} mnist"),
    "hamiltonian": Drawn(
        "python -m benchmarks.vaes.hamiltonian",
        lambda path: hamiltonian.picture(result("hamiltonian.json"), path),
    ),
    "deep_markov": Drawn(
        "python -m benchmarks.vaes.deep_markov",
        lambda path: deep_markov.picture(result("deep_markov.json"), path),
    ),
    "semi_supervised": Drawn("python -m benchmarks.vaes.semi_supervised"),
    "semi_supervised_fashion": Drawn("python -m benchmarks.vaes.semi_supervised fashion"),
    "held": Drawn(
        "python -m benchmarks.vaes.held", lambda path: held.picture(result("held.json"), path)
    ),
    "energies": Drawn(
        "python -m benchmarks.densities.energies",
        lambda path: energies.picture(result("energies.json"), path),
    ),
    "flows_densities": Drawn(FLOWS),
    "flows_samples": Drawn(FLOWS),
    "flow_gan": Drawn(
        "python -m benchmarks.densities.flow_gan",
        lambda path: flow_gan.picture(result("flow_gan.json"), path),
    ),
    "hvae": Drawn(
        HIERARCHICAL, lambda path: hierarchical.picture(result("hierarchical.json")["runs"], path)
    ),
    "hvae_samples": Drawn(HIERARCHICAL),
    "jigsaw": Drawn(
        "python -m benchmarks.estimators.jigsaw",
        lambda path: jigsaw.picture(result("jigsaw.json"), path),
    ),
    "manifolds": Drawn(
        "python -m benchmarks.vaes.manifolds",
        lambda path: curved.picture(result("manifolds.json"), path),
    ),
    "multimodal": Drawn(MULTIMODAL),
    "multimodal_fashion": Drawn(f"{MULTIMODAL} --data fashion"),
    "museum_posteriors": Drawn(MUSEUM),
    "museum_ranks": Drawn(MUSEUM),
    "museum_weights": Drawn(MUSEUM),
    "posteriors": Drawn(POSTERIORS, lambda path: posteriors.grid(result("posteriors.json"), path)),
    "posteriors_planes": Drawn(
        POSTERIORS, lambda path: posteriors.planes(result("posteriors.json"), path)
    ),
    "scaling": Drawn(
        "python -m benchmarks.speed.scaling",
        lambda path: scaling.picture(result("scaling.json")["rows"], path),
    ),
    "temperature": Drawn("python -m benchmarks.estimators.temperature", _temperature),
    "permutations": Drawn(
        "python -m benchmarks.estimators.permutations",
        lambda path: permutations.picture(result("permutations.json"), path),
    ),
    "estimators_fashion": of_estimators("fashion", fashion),
    "estimators_networks": of_estimators("networks", networks),
    "estimators_reinforce": of_estimators("reinforce", reinforce),
    "estimators_wake_sleep": of_estimators("wake_sleep", wake_sleep),
    **from_sections(),
}


def keep_small(folder: Path) -> None:
    """Removes the SVGs of a folder that are too large to keep."""
    for path in folder.glob("*.svg"):
        if path.stem in PICTURES and path.stat().st_size > LARGEST:
            path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*PICTURES, ALL], default=ALL)
    parser.add_argument("--out", type=Path, default=records.DOCS)
    asked = parser.parse_args()
    for name in PICTURES if ALL in asked.names else asked.names:
        make = PICTURES[name].draw
        if make is None:
            print(f"{name}: made by `{PICTURES[name].command}`")
        else:
            make(asked.out / f"{name}.png")
            print(f"{name}: drawn from the results")
    keep_small(asked.out)


if __name__ == "__main__":
    main()
