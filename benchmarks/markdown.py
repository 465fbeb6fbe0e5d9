"""Tables in Markdown, and pages whose tables stand between markers."""

import re
from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a heading line, a rule, and a line for each row of cells."""
    return "\n".join([line(heads), "|---" * len(heads) + "|", *map(line, rows)])


def line(cells: Sequence[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


def fill(page: str, name: str, body: str) -> str:
    """The page with another body between the markers of a name."""
    pattern = rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)"
    return re.sub(pattern, lambda found: f"{found[1]}{body}\n{found[2]}", page, flags=re.DOTALL)
