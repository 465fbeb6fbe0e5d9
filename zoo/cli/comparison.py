"""What `zoo compare` prints."""

from rich.console import Console

from zoo.comparison.aggregate import record_of
from zoo.comparison.comparison import Comparison
from zoo.comparison.table import by_reason


def show_comparison(console: Console, found: Comparison) -> None:
    """A table over seeds, the verdict on each run, and what is not in the table."""
    if found.rows:
        console.print(found.table)
        console.print("May they be trusted?")
    for row in found.rows:
        answers = [f"{name} {part['answer']}" for name, part in row.answers.items()]
        console.print(f"  {row.name}: {', '.join(answers)}", highlight=False)
    for name, why in by_reason(found.left).items():
        console.print(f"[yellow]{name}[/yellow]: {why}")


def comparison_record(found: Comparison) -> dict[str, object]:
    """The same for JSON."""
    record: dict[str, object] = {
        "rows": [record_of(row) for row in found.rows],
        "mismatches": found.mismatches,
    }
    return record | ({"unfinished": found.unfinished} if found.unfinished else {})
