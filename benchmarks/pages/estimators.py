"""Puts the measured tables into docs/estimators.md, between its markers.

python -m benchmarks.estimators.run
python -m benchmarks.pages.estimators
python -m benchmarks.pages.pictures
"""

from benchmarks import records
from benchmarks.estimators.run import RESULTS, SECTIONS
from benchmarks.markdown import fill

PAGE = records.DOCS / "estimators.md"


def record_of(name: str) -> dict:
    return records.read(RESULTS / f"{name}.json")


def filled(text: str) -> str:
    """The page with every table made anew from its results."""
    for name, section in SECTIONS.items():
        record = record_of(name)
        made = f"`{record['command']}`, {record['date']}, torch {record['versions']['torch']}, cpu"
        body = f"{section.table(record)}\n\n{made}, {record['seconds']} s."
        text = fill(text, name, body)
    return text


def main() -> None:
    PAGE.write_text(filled(PAGE.read_text()))


if __name__ == "__main__":
    main()
