"""One section of docs/gallery.md: what it says and shows, and where its table is from."""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from benchmarks.pages.gallery_pictures import Dots


@dataclass(frozen=True)
class Section:
    """One system of the gallery.

    Attributes:
        title: of the section.
        equation: what is drawn from what.
        text: what to see, in a few lines.
        examples: what a reader may try.
        command: what makes the table; the page shows it as it was run, with its options.
        picture: a file of docs/, or none.
        result: a file of benchmarks/results/, or none.
        samples: a second picture, of what the models draw, or none.
        table: that record -> Markdown.
        dots: how the picture is drawn from the record; None if it is no picture of dots.
    """

    title: str
    equation: str
    text: str
    examples: tuple[str, ...]
    command: str
    picture: str = ""
    result: str = ""
    table: Callable[[dict], str] = lambda record: ""
    dots: Dots | None = None
    samples: str = ""


def rows_of(module: ModuleType) -> Callable[[dict], str]:
    return lambda record: module.table(record["rows"])
