"""The cards of all pretrained fits as one object, which prints as a table."""

from collections.abc import Iterator, Mapping
from html import escape

from zoo.pretrained_fits.cards import Card, value_of

HEADINGS = ("name", "what it is", "ELBO", "log p(x)", "verdict")


class Shelf(Mapping[str, Card]):
    """Name -> card of each pretrained fit; printed, a table with their scores."""

    def __init__(self, cards: Mapping[str, Card]) -> None:
        self._cards = dict(cards)

    def __getitem__(self, name: str) -> Card:
        return self._cards[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cards)

    def __len__(self) -> int:
        return len(self._cards)

    def __repr__(self) -> str:
        rows = [HEADINGS, *self.rows]
        widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS))]
        lines = ("  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th style='text-align:left'>{escape(name)}</th>" for name in HEADINGS)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in self.rows)
        return f"<table><tr>{head}</tr>{body}</table>"

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A line for each fit: name, what it is, ELBO, log p(x), verdict."""
        return [_row(card) for card in self._cards.values()]


def _cell(text: str) -> str:
    return f"<td style='text-align:left'>{escape(text)}</td>"


def _row(card: Card) -> tuple[str, ...]:
    scores = (value_of(card, name) for name in ("elbo", "log_evidence"))
    verdict = ", ".join(one["answer"] for one in card["scores"]["answers"].values())
    return (card["name"], card["says"], *scores, verdict)
