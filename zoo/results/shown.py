"""A fit as a few lines of text, and as a small table in a notebook."""

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from zoo.sampling.importance_weights import independent_rows

if TYPE_CHECKING:
    from zoo.results.result import Fit

LAST = 50  # steps, whose mean loss is shown: that of a single step is noise
ENDED = {  # `Fit.stopped` -> how the training ended, in words
    "finished": "took all its steps",
    "converged": "converged",
    "early": "stopped early, as the validation loss no longer fell",
    "interrupted": "interrupted; resume= goes on from its checkpoint",
    "diverged": "diverged: the parameters are those before",
    "unfinished": "still training when this checkpoint was written",
}

Line = tuple[str, str]  # a heading and what stands beside it


def lines_of(fit: "Fit") -> list[Line]:
    """What was trained, how, and how it ended."""
    lines = [
        ("guide", guide_words(fit.guide_spec)),
        ("objective", str(fit.settings.objective)),
        ("latents", ", ".join(fit.latents.names) or "none"),
        ("training", f"{training_words(fit)}; {_ended(fit)}"),
        ("last loss", last_loss(fit)),
    ]
    if fit.valid:
        step, loss = min(fit.valid, key=lambda pair: pair[1])
        lines.append(("validation", f"lowest loss {loss:.4g} nats, at step {step:,}"))
    lines += [("note", note) for note in fit.notes]
    lines += [(one.kind, one.sentence) for one in fit.difficulties]
    return lines


def title_of(fit: "Fit") -> str:
    """The model with its parts and its data: "Fit of vae (prior vamp) on digits, seed 0"."""
    task = fit.task
    given = [f"{part} {value}" for part, value in task.parts.given.items()]
    parts = f" ({', '.join(given)})" if given else ""
    on = "" if task.data.name == "given" else f" on {task.data.name}"
    return f"Fit of {task.name}{parts}{on}, seed {fit.settings.seed}"


def guide_words(guide: Callable) -> str:
    """The name of a guide's class or function, and the settings that it was given."""
    settings: dict[str, Any] = {}
    while isinstance(guide, partial):
        settings, guide = {**guide.keywords, **settings}, guide.func
    name = getattr(guide, "__name__", type(guide).__name__)
    return name + (f"({', '.join(f'{k}={v!r}' for k, v in settings.items())})" if settings else "")


def loss_rows(fit: "Fit") -> int:
    """Rows that the loss is a sum over, each with latents of its own; 1 where they share one."""
    return independent_rows(fit.program, fit.task.data.train)


def last_loss(fit: "Fit") -> str:
    """The mean loss of the last steps, in nats a row where rows have latents of their own."""
    count = min(LAST if fit.solver is None else 1, len(fit.losses))
    if not count:
        return "none: no step was taken"
    rows = loss_rows(fit)
    value = float(fit.losses[-count:].double().mean()) / rows
    unit = "nats/row" if fit.latents.rowwise else "nats"
    over = f", mean of the last {count} steps" if count > 1 and not fit.settings.dadvi else ""
    return f"{value:.4g} {unit}{over}"


def training_words(fit: "Fit") -> str:
    """How many steps a fit took, of what kind, and for how long."""
    steps, how = f"{len(fit.losses):,} steps", fit.backend
    if fit.settings.dadvi:
        steps, how = f"{len(fit.losses):,} steps of L-BFGS", "DADVI"
    if fit.solver is not None:
        steps = f"no steps, {fit.evaluations:,} evaluations of log p(x, z)"
    return f"{steps} in {fit.seconds:.1f} s ({how})"


def _ended(fit: "Fit") -> str:
    if fit.solver is not None and fit.stopped == "finished":
        return "found by the guide's own method"
    return ENDED.get(fit.stopped, fit.stopped)


def as_text(title: str, lines: Sequence[Line]) -> str:
    """The lines below each other, headings aligned."""
    width = max((len(heading) for heading, _ in lines), default=0)
    return "\n".join([title, *(f"  {heading:<{width}}  {words}" for heading, words in lines)])


def as_html(title: str, lines: Sequence[Line]) -> str:
    """The lines as a table of two columns."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(heading)}</th>"
        f"<td style='text-align:left'>{escape(words)}</td></tr>"
        for heading, words in lines
    )
    return f"<table><caption><b>{escape(title)}</b></caption>{rows}</table>"
