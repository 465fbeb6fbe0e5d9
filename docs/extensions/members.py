"""A page for each model, guide and objective, written from the tables and the docstrings.

The pages lie in `docs/models`, `docs/guides` and `docs/objectives`; all of them are written anew
at each build, and none is kept in the repository.
"""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, partial
from pathlib import Path

from sphinx.application import Sphinx

import zoo
from guides import GUIDES
from zoo.isolation import isolated
from zoo.models import MODELS
from zoo.objectives import OBJECTIVES
from zoo.protocols import HasEvidence, HasMoments, HasPosterior
from zoo.training.run import describe_task

EXACT = {
    "its log evidence": HasEvidence,
    "its posterior": HasPosterior,
    "mean and standard deviation of its posterior": HasMoments,
}
RECIPE = ("data", "guide", "objective", "steps", "lr", "batch_size")
Pairs = dict[str, dict[str, list[str]]]  # model -> guide -> objectives


@dataclass(frozen=True)
class Member:
    """A name of a table, with the class that it stands for.

    Attributes:
        name: in the table.
        cls: its class.
        path: where users import the class from.
        settings: how it differs from another name of the same class; "" for the first.
    """

    name: str
    cls: type
    path: str
    settings: str = ""

    @property
    def summary(self) -> str:
        """The first sentence of its module."""
        text = inspect.getdoc(inspect.getmodule(self.cls)) or ""
        paragraph = " ".join(text.split("\n\n")[0].split())
        return as_markdown(re.split(r"(?<=[.])\s", paragraph)[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Takes part in the build."""
    app.connect("builder-inited", lambda app: write(Path(app.srcdir)))
    return {"parallel_read_safe": True}


def write(folder: Path) -> None:
    """Writes all pages below the folder of the documentation."""
    pairs = all_pairs()
    kinds = {
        "models": (models(), partial(_model_page, pairs)),
        "guides": (guides(), partial(_guide_page, pairs)),
        "objectives": (objectives(), partial(_objective_page, pairs)),
    }
    for kind, (found, page) in kinds.items():
        pages = {"index": _index(kind, found)}
        first: dict[type, str] = {}
        for one in found:
            main = first.setdefault(one.cls, one.name)
            pages[one.name] = page(one, main)
        _replace(folder / kind, pages)


def _replace(folder: Path, pages: Mapping[str, str]) -> None:
    """Writes what has changed, so that Sphinx reads no other page again."""
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.md"):
        if path.stem not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


@cache
def all_pairs() -> Pairs:
    """Which guides and objectives go on which model, from what each declares."""
    found: Pairs = {}
    for model in MODELS:
        latents = describe_task(zoo.load(model))
        found[model] = {
            guide: [
                o for o, one in OBJECTIVES.items() if zoo.mismatch(latents, family, one) is None
            ]
            for guide, family in GUIDES.items()
        }
    return found


def models() -> list[Member]:
    """The models; a name differs from another of the same class by its recipe."""
    found = []
    for name in MODELS:
        with isolated():
            cls = type(zoo.load(name).build())
        found.append(Member(name, cls, f"{cls.__module__}.{cls.__name__}", "settings of its own"))
    return found


def guides() -> list[Member]:
    """The guides; some are classes with arguments."""
    return [Member(name, *_guide_of(given)) for name, given in GUIDES.items()]


def _guide_of(given: object) -> tuple[type, str, str]:
    cls = given.func if isinstance(given, partial) else given
    words = given.keywords if isinstance(given, partial) else {}
    return cls, f"guides.{cls.__name__}", ", ".join(f"{k}={v!r}" for k, v in words.items())


def objectives() -> list[Member]:
    """The objectives; some are classes with fields of other values."""
    return [
        Member(name, type(one), f"zoo.objectives.{type(one).__name__}", _fields(one))
        for name, one in OBJECTIVES.items()
    ]


def _fields(objective: object) -> str:
    """The fields that are not what is usual for the class."""
    changed = (f for f in fields(objective) if getattr(objective, f.name) != f.default)
    return ", ".join(f"{f.name}={getattr(objective, f.name)!r}" for f in changed)


def _index(kind: str, found: Sequence[Member]) -> str:
    first: dict[type, str] = {}
    rows = []
    for one in found:
        main = first.setdefault(one.cls, one.name)
        what = one.summary if main == one.name else _variant(one, main)
        rows.append(f"| [`{one.name}`]({one.name}.md) | {what} |")
    names = "\n".join(one.name for one in found)
    return (
        f"# {kind.capitalize()}\n\nEach name is what Python and the command line take.\n\n"
        "| name | what it is |\n|---|---|\n"
        + "\n".join(rows)
        + f"\n\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"
    )


def _variant(one: Member, main: str) -> str:
    """A sentence about a name whose class has its page under another name."""
    settings = f"`{one.settings}`" if "=" in one.settings else one.settings or "the same settings"
    return f"[`{main}`]({main}.md) with {settings}."


def _model_page(pairs: Pairs, one: Member, main: str) -> str:
    task = zoo.load(one.name)
    with isolated():
        model = task.build()
    exact = [what for what, protocol in EXACT.items() if isinstance(model, protocol)]
    recipe = [f"| {name} | `{getattr(task.recipe, name)}` |" for name in RECIPE]
    rows = _alike("guides", "objectives", pairs[one.name])
    return "\n".join(
        [
            f"# {one.name}\n",
            _reference(one, main),
            f"## What is known exactly\n\n{'; '.join(exact).capitalize() or 'Nothing'}.\n",
            "## What is usual\n\n| setting | value |\n|---|---|",
            *recipe,
            "\n## What goes with it\n\n| guide | objectives |\n|---|---|",
            *rows,
            "\n## Try\n\n```sh",
            f"zoo fit {one.name} --out runs/{one.name}",
            f"zoo compare {one.name} --guides {task.usual_guide}\n```\n",
        ]
    )


def _guide_page(pairs: Pairs, one: Member, main: str) -> str:
    taken = {model: own[one.name] for model, own in pairs.items()}
    rows = _alike("models", "objectives", taken)
    table = ["| model | objectives |\n|---|---|", *rows] if rows else ["No model of the zoo."]
    return "\n".join(
        [f"# {one.name}\n", _reference(one, main), "## What goes with it\n", *table, ""]
    )


def _objective_page(pairs: Pairs, one: Member, main: str) -> str:
    taken = {
        model: [guide for guide, names in own.items() if one.name in names]
        for model, own in pairs.items()
    }
    rows = _alike("models", "guides", taken)
    heading = "| model | guides |\n|---|---|"
    return "\n".join(
        [f"# {one.name}\n", _reference(one, main), "## What goes with it\n", heading, *rows, ""]
    )


def _alike(kind: str, others: str, taken: Mapping[str, Sequence[str]]) -> list[str]:
    """A line of a table for all names that go with the same others; none for nothing."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name, own in taken.items():
        found.setdefault(tuple(own), []).append(name)
    return [
        f"| {_links(kind, names)} | {_links(others, own)} |" for own, names in found.items() if own
    ]


def _links(kind: str, names: Iterable[str]) -> str:
    return ", ".join(f"[`{name}`](../{kind}/{name}.md)" for name in names)


def _reference(one: Member, main: str) -> str:
    """The docstrings of module and class, as autodoc shows them; once for each class."""
    if main != one.name:
        return f"{_variant(one, main)}\n"
    return (
        f"```{{eval-rst}}\n.. automodule:: {one.cls.__module__}\n\n"
        f".. autoclass:: {one.path}\n   :members:\n```\n"
    )


def as_markdown(text: str) -> str:
    """A sentence of a docstring, without accidental markup."""
    return re.sub(r"([|*_<\[])", r"\\\1", text).rstrip(":")
