"""The pretrained fits on the command line: their list, their cards, and `pretrained:NAME`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from zoo.cli.names import check_folder
from zoo.pretrained_fits.cards import PREFIX, Card, card_named, cards, size_of, value_of
from zoo.pretrained_fits.shelf import HEADINGS, Shelf

if TYPE_CHECKING:
    from zoo.results.result import Fit

BELOW = """Scores are in nats for a row of the test data, or for the whole data set where all rows
share the latents; ± is their Monte Carlo error. The verdict answers: is the bound as it should
be, are the weights to be trusted, are the guide's draws? `zoo show pretrained:NAME` shows the
card of a fit, `zoo evaluate pretrained:NAME` scores it again."""
WRAPPED = ("what it is", "verdict")  # the others are short
SCORES = {  # heading -> metric of the card
    "ELBO": "elbo",
    "log p(x)": "log_evidence",
    "exact log p(x)": "exact_log_evidence",
    "k-hat": "k_hat",
}


def show_pretrained(console: Console) -> None:
    """A line for each fit, and how one is taken."""
    view = Table(box=None, padding=(0, 1), pad_edge=False)
    for heading in HEADINGS:
        view.add_column(heading, no_wrap=heading not in WRAPPED)
    for row in Shelf(cards()).rows:
        view.add_row(*row)
    console.print("Pretrained fits. In Python: fit = zoo.pretrained(NAME)\n", markup=False)
    console.print(view)
    console.print(f"\n{BELOW}", soft_wrap=True)


def show_card(name: str, console: Console) -> None:
    """The card of a pretrained fit.

    Raises:
        ValueError: for a name that is not known.
    """
    card = card_named(name)
    own = card["name"]
    console.print(f"\n[bold]{own} is a pretrained fit. {card['says']}[/bold]\n")
    view = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    view.add_column("heading", style="cyan", width=16)
    view.add_column("what stands there")
    for heading, words in _entries(card):
        view.add_row(heading, words)
    console.print(view)
    console.print("\nTry:")
    console.print(f"  [green]zoo evaluate {PREFIX}{own}[/green]", soft_wrap=True)
    console.print(f"  [green]python -c 'import zoo; print(zoo.pretrained(\"{own}\"))'[/green]")
    console.print(f"  [green]{card['command']}[/green]", soft_wrap=True)


def _entries(card: Card) -> Iterator[tuple[str, str]]:
    data, scores = card["data"], card["scores"]
    parts = ", ".join(f"{part} {value}" for part, value in card["parts"].items())
    yield "model", card["model"] + (f" ({parts})" if parts else "")
    yield "guide", card["guide"]
    yield "objective", card["objective"]
    yield "data", f"{data['name']}, binarize {data['binarize']}, hash {data['hash']}"
    rows = f"{scores['rows']} rows, " if scores["rows"] > 1 else ""
    yield "scored on", f"{scores['split']}, {rows}{scores['draws']} draws each"
    for heading, metric in SCORES.items():
        if metric in scores["metrics"]:
            unit = scores["metrics"][metric]["unit"]
            yield heading, f"{value_of(card, metric)} {unit}".rstrip()
    yield "verdict", scores["verdict"]
    numbers = f"{card['weights']['numbers']:,} numbers, {size_of(card)}"
    yield "size", numbers
    yield "made", f"{card['made']['date']} in {card['fit']['seconds']:.0f} s"
    yield "licence", f"{card['licence']['weights']}; data: {card['licence']['data']}"


def opened(run: Path, device: str, *, download: bool) -> "Fit":
    """The fit in a folder, or a pretrained one where the argument is pretrained:NAME.

    Raises:
        ValueError: for a folder without a fit, and for a name that is not known.
    """
    if not str(run).startswith(PREFIX):
        check_folder(run)
        from zoo.training.checkpoint import load_fit

        return load_fit(run, device=device)
    own: str = card_named(str(run))["name"]
    from zoo.pretrained_fits.pretrained import pretrained

    return pretrained(own, device=device, download=download)
