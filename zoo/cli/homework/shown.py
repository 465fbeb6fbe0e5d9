"""What `zoo homework` prints."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zoo.homework.sheets import Sheet

if TYPE_CHECKING:
    from zoo.homework.public_tier import Checked

WIDTH = 40  # characters of the longest bar


def table_of_sheets(sheets: Iterable[Sheet]) -> Table:
    """The sheets with title, parts, points and minutes."""
    view = Table()
    for heading in ("sheet", "title", "parts", "points", "minutes"):
        view.add_column(heading, justify="left" if heading in ("sheet", "title") else "right")
    for sheet in sheets:
        numbers = (len(sheet.parts), f"{sheet.points:g}", sheet.minutes)
        view.add_row(sheet.name, sheet.title, *map(str, numbers))
    return view


def show_checked(console: Console, found: "Checked") -> bool:
    """Prints what the public checks say of a part; returns whether it passes."""
    name = f"{found.part.name}. {found.part.title} ({found.part.function})"
    failed = [check for check in found.checks if not check.passed]
    if not found.begun:
        console.print(f"[dim]{escape(name)}: not begun[/dim]")
    elif found.passed:
        console.print(f"[green]passes[/green] {escape(name)}: {len(found.checks)} checks")
    else:
        console.print(f"[red]fails[/red]  {escape(name)}")
    if found.error:
        console.print(f"        {escape(found.error)}")
    for concept, hint in dict.fromkeys((check.concept, check.hint) for check in failed):
        console.print(f"        [bold]{escape(concept)}[/bold]: {escape(hint)}")
    return found.passed


def table_of_grades(records: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each student: score, and points with the outcome of each part."""
    view = Table()
    view.add_column("student")
    view.add_column("score", justify="right")
    for part in records[0]["parts"]:
        view.add_column(part["part"], justify="right")
    for record in sorted(records, key=lambda one: one["student"]):
        cells = [_cell(part) for part in record["parts"]]
        view.add_row(escape(record["student"]), f"{record['score']:g}", *cells)
    return view


def _cell(part: Mapping[str, Any]) -> str:
    if part["outcome"] in ("ok", "wrong"):
        return f"{part['points']:g}/{part['most']:g}"
    return f"[red]{part['outcome']}[/red]"


def bars_of_concepts(failing: Mapping[str, int], students: int) -> Table:
    """A bar for each concept that some students fail."""
    view = Table(title=f"Concepts that fail, of {students} students", box=None, show_header=False)
    for name, count in failing.items():
        if count:
            bar = "█" * max(1, round(WIDTH * count / students))
            view.add_row(escape(name), str(count), bar)
    return view


def table_of_pairs(pairs: Iterable[tuple[float, str, str]]) -> Table:
    """Pairs of students with their similarity."""
    view = Table("similarity", "student", "student")
    for share, first, second in pairs:
        view.add_row(f"{share:.0%}", escape(first), escape(second))
    return view
