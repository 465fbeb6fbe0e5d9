"""A report on the folder that `zoo compare` wrote; neither model nor guide is needed for it."""

from pathlib import Path

from safetensors.torch import load_file

from zoo.comparison.aggregate import Row, common_exact
from zoo.comparison.folder import IMAGES, REPORT, RESULTS, RUNS, read_record, rows_of
from zoo.comparison.pictures import LossCurve
from zoo.comparison.report import Material, not_in_table, write_report


def report_on(folder: str | Path, path: str | Path | None = None) -> Path:
    """Writes the report on a folder of `zoo compare`.

    Args:
        folder: with `results.json`.
        path: of the HTML file; None is `report.html` in the folder.

    Raises:
        ValueError: for a folder that is not there or holds no comparison, and for a comparison of
            which no run is whole.
    """
    folder = Path(folder)
    if not (folder / RESULTS).is_file():
        raise ValueError(
            f"Expected a folder that `zoo compare --out` wrote; {folder} has no {RESULTS}. "
            "Name that folder."
        )
    return write_report(material_in(folder), folder / REPORT if path is None else path)


def material_in(folder: Path) -> Material:
    """What the report is made from.

    Raises:
        ValueError: if the record is damaged.
    """
    record = read_record(folder)
    rows = rows_of(record, folder)
    pictures = {row.name: folder / RUNS / row.name / IMAGES for row in rows}
    losses = [_curve(folder, row, record["loss_rows"]) for row in rows]
    return Material(
        title=record["title"],
        held=record["held"],
        rows=rows,
        exact=common_exact(rows),
        losses=[curve for curve in losses if curve is not None],
        images={name: path.read_bytes() for name, path in pictures.items() if path.is_file()},
        left=not_in_table(rows, record["mismatches"], record["unfinished"]),
        learns=record["learns"],
        record=record,
    )


def _curve(folder: Path, row: Row, loss_rows: int) -> LossCurve | None:
    """The run's losses from its saved state; None where that is gone."""
    states = sorted((folder / RUNS / row.name).glob("state-*.safetensors"))
    if not states:
        return None
    losses = load_file(states[0])["losses"].double().numpy()
    unit = "nats/row" if loss_rows > 1 else "nats"
    return LossCurve(row.guide, row.objective, losses / loss_rows, unit)
