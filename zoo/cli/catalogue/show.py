"""What `zoo show NAME` prints of each kind of thing."""

from collections.abc import Iterator, Mapping
from typing import Any

from zoo.catalogue.answers import TABLES, command_for, listed

Card = Mapping[str, Any]
Known = Mapping[str, Any]
Entry = tuple[str, str]  # a heading and what stands beside it
LONG = 45  # letters of two names that make a command too long for a line

LONGEST = 98  # letters of a command that is shown, two spaces before it


def entries(kind: str, name: str, known: Known) -> Iterator[Entry]:
    """The lines below the docstring: sizes, defaults, what goes with it and what does not."""
    card = known["cards"].get(kind, {}).get(name, {})
    if kind == "model":
        yield from _of_model(name, card)
    elif kind == "guide":
        yield "in Python", f"zoo.fit(task, {card['class']}){_settings(card)}"
        yield "covers", _covers(card)
        yield from _of_pairs(card["models"], known, name)
    elif kind == "objective":
        yield "in Python", f"zoo.fit(task, guide, objective={card['class']}({_arguments(card)}))"
        yield from _of_objective(card, known, name)
    elif kind == "metric":
        yield "group", f"{card['topic']}: {known['topics'].get(card['topic'], '')}"
        if card["note"]:
            yield "note", card["note"]
    elif kind != "data":
        takes = [one["models"] for one in known["parts"] if name in one["names"]]
        yield "models", listed([model for models in takes for model in models], 20)


def _compare(model: str, kind: str, names: str) -> str:
    """A comparison, written to a folder where that fits into a line."""
    command = f"zoo compare {model} --{kind}s {names}"
    written = f"{command} --out runs/{kind}s"
    return written if len(written) <= LONGEST else command


def to_try(kind: str, name: str, known: Known) -> list[str]:
    """Three commands to try."""
    card = known["cards"].get(kind, {}).get(name, {})
    if kind == "model":
        two = ",".join(card["fitting guides"][:2])
        two = two if len(two) < LONG else "all"
        several = len(card["fitting guides"]) > 1
        compare = _compare(name, "guide", two)
        return [
            f"zoo fit {name} --out runs/{name}",
            compare if several else f"zoo evaluate runs/{name}",
            f"zoo show {card['usual']['guide']}",
        ]
    if kind in ("guide", "objective"):
        model = card["model"]
        usual = known["cards"]["model"][model]["usual"][kind]
        two = name if usual == name else f"{usual},{name}"
        two = two if len(two) < LONG else "all"
        return [
            command_for(kind, name, known),
            _compare(f"{model}{card.get('options', '')}", kind, two),
            f"zoo show {model}",
        ]
    if kind == "metric":
        first = command_for(kind, name, known)
        return [first, f"zoo evaluate runs/vae --metrics {name}", "zoo list --metrics"]
    first = command_for(kind, name, known)
    return [
        first,
        f"{first} --out runs/{name}",
        f"zoo list --{'data' if kind == 'data' else 'parts'}",
    ]


def introduced(kind: str, name: str, known: Known) -> str:
    """The first line: the name, what kind of thing it is, and what it is."""
    card = known["cards"].get(kind, {}).get(name, {})
    says = card.get("says") or known["topics"].get(name, "")
    return f"{name} is {TABLES[kind]}. {says}".rstrip()


def _of_model(name: str, card: Card) -> Iterator[Entry]:
    usual = card["usual"]
    yield "latents", "\n".join(_compressed(card["latents"])) or "none"
    learns = f"{card['parameters']:,} of its own" if card["parameters"] else "none of its own"
    yield "parameters", f"{learns}; {card['guide parameters']:,} of its usual guide"
    yield "data", f"{card['data']}: {_shapes(card['rows'])}"
    rate = f"--lr {usual['lr']:g}"
    rows = "all rows" if usual["batch_size"] is None else f"--batch-size {usual['batch_size']}"
    yield (
        "usual",
        f"--guide {usual['guide']} --objective {usual['objective']} --steps {usual['steps']} "
        f"{rate}, {rows} in a step",
    )
    if card["parts"]:
        yield (
            "parts",
            ", ".join(f"{part} {_words(value)}" for part, value in card["parts"].items()),
        )
    yield "known exactly", ", ".join(card["exact"]) or "nothing"
    for kind, other in (("guide", "objective"), ("objective", "guide")):
        fits = ", ".join(card[f"fitting {kind}s"])
        yield f"{kind}s that fit", f"{fits} (with {usual[other]})"
        elsewhere = card["guides by another objective"] if kind == "guide" else {}
        for one, objective in elsewhere.items():
            yield f"{kind}s that fit", f"{one} (with {objective})"
        for one in card[f"refused {kind}s"]:
            names = [name for name in one["names"] if name not in elsewhere]
            if names:
                yield f"{kind}s that do not", f"{', '.join(names)}. {one['why']}"


def _of_pairs(models: list[str], known: Known, guide: str) -> Iterator[Entry]:
    """The models that a guide goes with, and why the others do not take it."""
    options = known["cards"]["guide"][guide].get("options", "")
    yield "models that fit", ", ".join(models) + (f", with{options}" if options else "")
    yield from _refusals("guide", guide, models, known)


def _of_objective(card: Card, known: Known, name: str) -> Iterator[Entry]:
    together: dict[str, list[str]] = {}
    for model, guides in card["guides"].items():
        together.setdefault(", ".join(guides), []).append(model)
    for guides, models in together.items():
        yield "fits", f"{', '.join(models)} with {guides}"
    yield from _refusals("objective", name, list(card["guides"]), known)


def _refusals(kind: str, name: str, models: list[str], known: Known) -> Iterator[Entry]:
    found: dict[str, list[str]] = {}
    for model, card in known["cards"]["model"].items():
        for one in card[f"refused {kind}s"]:
            if name in one["names"] and model not in models:
                found.setdefault(one["why"], []).append(model)
    for why, others in found.items():
        yield "does not fit", f"{', '.join(others)}. {why}"


def _covers(card: Card) -> str:
    scopes = {"local": "latents of each row", "global": "latents that all rows share"}
    kinds = " or ".join(card["kinds"]) or "no"
    where = " and ".join(scopes[one] for one in card["scopes"]) or "latents"
    new = "new rows need no further fit" if card["amortised"] else "new rows are fitted anew"
    return f"{kinds} {where}" + (f"; {new}" if "local" in card["scopes"] else "")


def _settings(card: Card) -> str:
    return f", with settings {_arguments(card)}" if card["settings"] else ""


def _arguments(card: Card) -> str:
    return ", ".join(f"{key}={_argument(value)}" for key, value in card["settings"].items())


def _argument(value: Any) -> str:
    """A setting as Python has it; settings that are objects are kept as text."""
    if isinstance(value, list):
        inner = ", ".join(map(_argument, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return value if isinstance(value, str) and "(" in value else repr(value)


def _words(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _compressed(lines: list[str]) -> list[str]:
    """The first latents; those of a long series are alike."""
    return lines if len(lines) <= 5 else [*lines[:3], f"... and {len(lines) - 3} more"]


def _shapes(rows: Mapping[str, Mapping[str, list[int]]]) -> str:
    """The shapes of the tensors of each split."""
    splits = []
    for split, tensors in rows.items():
        shapes = " ".join(f"{label} ({', '.join(map(str, s))})" for label, s in tensors.items())
        splits.append(f"{split} {shapes}")
    return "; ".join(splits)
