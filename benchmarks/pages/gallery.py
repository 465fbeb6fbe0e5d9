"""docs/gallery.md: every autoencoder with its equation, picture, table and command.

    python -m benchmarks.vaes.run    # and vaes.hierarchical, vaes.collapse, vaes.multimodal
    python -m benchmarks.pages.gallery
    python -m benchmarks.pages.pictures    # what it shows

Tables come from the committed results; a section whose results are missing says which command
makes them.
"""

from benchmarks import records
from benchmarks.pages.gallery_densities import DENSITIES
from benchmarks.pages.gallery_section import Section
from benchmarks.pages.gallery_sections import SECTIONS as OF_VAES

SECTIONS = (*OF_VAES, *DENSITIES)


def page() -> str:
    parts = [
        "# Gallery",
        "",
        "Variational autoencoders of the zoo, each put together from parts: a prior, a decoder, a "
        "likelihood and a guide. At the end are densities without latents, and flows. Written by "
        "`python -m benchmarks.pages.gallery` from the committed results.",
    ]
    for section in SECTIONS:
        parts += ["", f"## {section.title}", "", f"    {section.equation}", "", section.text, ""]
        parts += ["```sh", *section.examples, *makers(section), "```"]
        if section.picture:
            parts += ["", f"![{section.title}]({section.picture})"]
        if section.samples:
            parts += ["", f"![{section.title}: samples]({section.samples})"]
        if section.result:
            parts += ["", table_of(section)]
    return "\n".join(parts) + "\n"


def records_of(section: Section) -> tuple[dict, list[dict]]:
    """The file of results, and what of it says how it was made: each row, or the file itself."""
    record = records.read(records.RESULTS / section.result)
    made = record.get("provenance", record)
    return record, [row for row in record.get("rows", ()) if "command" in row] or [made]


def makers(section: Section) -> list[str]:
    """The commands that made the table, in order; without results, the command to run."""
    if not (records.RESULTS / section.result).exists():
        return [section.command]
    _, each = records_of(section)
    return list(dict.fromkeys(row["command"] for row in each))


def table_of(section: Section) -> str:
    """The table with the date, the version of torch and the commands that it was made by."""
    if not (records.RESULTS / section.result).exists():
        return f"No results yet: run `{section.command}`."
    record, each = records_of(section)
    made = record.get("provenance", record)
    last = max(row.get("date", "") for row in [*each, made])
    count = len(makers(section))
    by = f"the last {count} commands above, in order" if count > 1 else "the last command above"
    return f"{section.table(record)}\n\nMade {last}, torch {made['versions']['torch']}, by {by}."


def main() -> None:
    (records.DOCS / "gallery.md").write_text(page())


if __name__ == "__main__":
    main()
