"""docs/gallery.md: every autoencoder with its equation, picture, table and command.

    python benchmarks/vaes.py && python benchmarks/hierarchical.py && python benchmarks/collapse.py
    python benchmarks/gallery.py

Tables come from the committed results; a section whose results are missing says which command
makes them.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import vaes_ladder

HERE = Path(__file__).parent
RESULTS, DOCS = HERE / "results", HERE.parent / "docs"


@dataclass(frozen=True)
class Section:
    """One system of the gallery.

    Attributes:
        title: of the section.
        equation: what is drawn from what.
        text: what to see, in a few lines.
        commands: what a reader runs.
        picture: a file of docs/, or none.
        result: a file of benchmarks/results/, or none.
        table: that record -> Markdown.
    """

    title: str
    equation: str
    text: str
    commands: tuple[str, ...]
    picture: str = ""
    result: str = ""
    table: Callable[[dict], str] = lambda record: ""


def rows_of(module: object) -> Callable[[dict], str]:
    return lambda record: module.table(record["rows"])  # type: ignore[attr-defined]


def hierarchy(record: dict) -> str:
    """Levels against log p(x)."""
    lines = ["| groups | seed | ELBO | log p(x) | KL by group |", "|---|---|---|---|---|"]
    for row in record["rows"]:
        lines.append("| " + " | ".join(map(str, row.values())) + " |")
    return "\n".join(lines)


SECTIONS = (
    Section(
        "Bernoulli VAE, rung by rung",
        "z ~ N(0, I),   x_j ~ Bernoulli(f(z)_j)",
        "The same steps of the same batches on digits; one thing changes from rung to rung. The "
        "gap is log p(x) - ELBO; it splits into what the family cannot express and what the "
        "shared encoder loses.",
        ("zoo fit vae --guide amortised_iaf --prior vamp", "python benchmarks/vaes.py ladder"),
        "ladder.png",
        "vaes/ladder.json",
        rows_of(vaes_ladder),
    ),
)


def page() -> str:
    parts = [
        "# Gallery",
        "",
        "Variational autoencoders of the zoo, each put together from parts: a prior, a decoder, a "
        "likelihood and a guide. Written by `python benchmarks/gallery.py` from the committed "
        "results.",
    ]
    for section in SECTIONS:
        parts += ["", f"## {section.title}", "", f"    {section.equation}", "", section.text, ""]
        parts += ["```sh", *section.commands, "```"]
        if section.picture:
            parts += ["", f"![{section.title}]({section.picture})"]
        if section.result:
            parts += ["", table_of(section)]
    return "\n".join(parts) + "\n"


def table_of(section: Section) -> str:
    path = RESULTS / section.result
    if not path.exists():
        return f"No results yet: run `{section.commands[-1]}`."
    record = json.loads(path.read_text())
    made = f"({record['date']}, {record['device']}, torch {record['versions']['torch']})"
    return f"{section.table(record)}\n\n{made}"


def main() -> None:
    ladder = RESULTS / "vaes" / "ladder.png"
    if ladder.exists():
        shutil.copy(ladder, DOCS / "ladder.png")
    (DOCS / "gallery.md").write_text(page())


if __name__ == "__main__":
    main()
