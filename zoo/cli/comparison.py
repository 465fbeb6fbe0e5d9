"""What `zoo compare` prints."""

from dataclasses import asdict

from rich.console import Console

from zoo.comparison.aggregate import summarise
from zoo.comparison.comparison import Comparison
from zoo.comparison.report import table


def show_comparison(console: Console, found: Comparison, seeds: int) -> None:
    """A table over seeds, the pairs that do not go together, and the runs that are not whole."""
    task = found.task
    title = f"{task.name} on {task.data.name} ({task.data.binarize}), {seeds} seeds"
    if found.rows:
        console.print(table(summarise(found.rows), found.exact, title))
    for pair, sentence in found.mismatches.items():
        console.print(f"[yellow]{pair}[/yellow]: {sentence}")
    for name, how_far in found.unfinished.items():
        console.print(f"[yellow]{name}[/yellow]: {how_far}; not in the table.")


def comparison_record(found: Comparison) -> dict[str, object]:
    """The same for JSON."""
    record: dict[str, object] = {
        "rows": [asdict(row) for row in found.rows],
        "mismatches": found.mismatches,
    }
    return record | ({"unfinished": found.unfinished} if found.unfinished else {})
