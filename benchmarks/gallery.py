"""docs/gallery.md: every autoencoder with its equation, picture, table and command.

    python benchmarks/vaes.py                # and hierarchical, collapse, multimodal, temperature
    python benchmarks/gallery.py

Tables come from the committed results; a section whose results are missing says which command
makes them.
"""

import json
import shutil
from pathlib import Path

from gallery_pictures import draw
from gallery_sections import SECTIONS, Section

HERE = Path(__file__).parent
RESULTS, DOCS = HERE / "results", HERE.parent / "docs"


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
        if section.picture and (DOCS / section.picture).exists():
            parts += ["", f"![{section.title}]({section.picture})"]
        if section.result:
            parts += ["", table_of(section)]
    return "\n".join(parts) + "\n"


def table_of(section: Section) -> str:
    path = RESULTS / section.result
    if not path.exists():
        return f"No results yet: run `{section.commands[-1]}`."
    record = json.loads(path.read_text())
    made = record.get("provenance", record)
    each = [row for row in record.get("rows", ()) if "command" in row] or [made]
    commands = ", ".join(f"`{command}`" for command in dict.fromkeys(r["command"] for r in each))
    last = max(row.get("date", "") for row in [*each, made])
    return (
        f"{section.table(record)}\n\nMade {last}, torch {made['versions']['torch']}, {commands}."
    )


def main() -> None:
    for section in SECTIONS:
        if section.dots is not None and (RESULTS / section.result).exists():
            rows = json.loads((RESULTS / section.result).read_text())["rows"]
            draw(rows, section.dots, DOCS / section.picture)
    ladder = RESULTS / "vaes" / "ladder.png"
    if ladder.exists():
        shutil.copy(ladder, DOCS / "ladder.png")
    (DOCS / "gallery.md").write_text(page())


if __name__ == "__main__":
    main()
