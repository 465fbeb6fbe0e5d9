"""The class as a table, and how many students fail each concept."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence

from zoo.homework.grade import Record
from zoo.homework.sheets import Sheet


def class_table(sheet: Sheet, records: Sequence[Record]) -> str:
    """The class as CSV: a row for each student; a written part that nobody read is empty.

    "score" is what counts: the sum of the parts' points times "late factor"; "most" is the points
    of the whole sheet.
    """
    text = io.StringIO()
    names = [part.name for part in sheet.programmed]
    columns = ["student", "score", "most", "days late", "late factor"]
    columns += [part.name for part in sheet.parts]
    columns += [f"{name} outcome" for name in names] + ["failing"]
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    for record in sorted(records, key=lambda one: one["student"]):
        parts = {part["part"]: part for part in record["parts"]}
        row = {name: record[name] for name in ("student", "score")} | {"most": sheet.points}
        row |= {"days late": record["lateness"]["days"]}
        row |= {"late factor": record["lateness"]["factor"]}
        row |= {name: parts[name]["points"] for name in names} | record["written"]
        row |= {f"{name} outcome": parts[name]["outcome"] for name in names}
        row["failing"] = "; ".join(f"{n}: {c}" for n in names for c in parts[n]["failing"])
        writer.writerow({column: _plain(cell) for column, cell in row.items()})
    return text.getvalue()


def _plain(cell: object) -> object:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@") else cell


def failing_concepts(sheet: Sheet, records: Iterable[Record]) -> dict[str, int]:
    """Concept with its part -> number of students who fail it, in the order of the sheet.

    Parts without results to judge count under their outcome: "a: timed out".
    """
    parts = [part for record in records for part in record["parts"]]
    counts = Counter(
        f"{part['part']}: {said}"
        for part in parts
        for said in part["failing"] or ([part["outcome"]] if part["outcome"] != "ok" else [])
    )
    names = [f"{part.name}: {one.concept}" for part in sheet.programmed for one in part.tests]
    return {name: counts.pop(name, 0) for name in names} | dict(sorted(counts.items()))
