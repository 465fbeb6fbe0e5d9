"""How the command line is read: numbers such as 1e4, and the words of other programs."""

import re
from typing import Any, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from zoo.catalogue.aliases import COMMANDS, OPTIONS
from zoo.catalogue.answers import TABLES, command_for, kinds_of, written
from zoo.catalogue.known import known

INTERRUPTED = 130  # the exit status of a process that Ctrl-C ended
AS_TEXT = re.compile(r"\+?\d[\d_]*(\.\d+)?([eE]\+?\d+)?")


class Command(TyperCommand):
    """A command that reads whole numbers such as 1e4 and 10_000, and knows others' options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments as typer reads them.

        Raises:
            ValueError: for an option that has another name here.
        """
        own = {name for one in self.params for name in (*one.opts, *one.secondary_opts)}
        for i, word in enumerate(args):
            name, _, value = word.partition("=")
            if name.startswith("--") and name not in own:
                _refuse(self.name or "", args, name, value or _following(args, i))
        hints = get_type_hints(self.callback)
        whole = {name for name, hint in hints.items() if hint in (int, int | None)}
        counts = {name for one in self.params if one.name in whole for name in one.opts}
        return super().parse_args(ctx, _with_whole_numbers(args, counts))


class Group(TyperGroup):
    """The commands, and what to type for a word that is none of them."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names.

        Raises:
            ValueError: for a word of another program, and for the name of a model or the like.
        """
        word, rest = args[0], " ".join(args[1:])
        if word in COMMANDS and word not in self.commands:
            raise ValueError(f"No command '{word}'. {COMMANDS[word].format(rest=rest).strip()}")
        kinds = kinds_of(written(word), known())
        if word not in self.commands and kinds:
            name = written(word)
            raise ValueError(
                f"No command '{word}': {word} is {TABLES[kinds[0]]}. Try: zoo show {name}, or "
                f"{command_for(kinds[0], name, known())}"
            )
        return super().resolve_command(ctx, args)


def _refuse(command: str, args: list[str], name: str, value: str) -> None:
    """Raises the answer to an option that has another name; returns where there is none."""
    if name == "--epochs" and command in ("fit", "compare", "sweep"):
        raise ValueError(_about_epochs(args, value))
    if command == "fit" and name in ("--guides", "--objectives"):
        model = next((word for word in args if word in known()["model"]), "vae")
        raise ValueError(
            f"`zoo fit` trains one pair. Several are: zoo compare {model} {name} {value}"
        )
    if command in ("compare", "sweep") and name in ("--guide", "--objective"):
        raise ValueError(f"`zoo {command}` takes {name}s {value}, comma-separated.")
    if name in OPTIONS:
        raise ValueError(f"No option {name}. {OPTIONS[name].format(value=value)}")


def _about_epochs(args: list[str], value: str) -> str:
    """How many steps so many epochs are, for the model on its usual data."""
    model = next((word for word in args if word in known()["model"]), "vae")
    card = known()["cards"]["model"][model]
    rows = next(iter(card["rows"]["train"].values()))[0]
    steps = -(-rows // (card["usual"]["batch_size"] or rows))
    count = int(value) if value.isdecimal() else 1
    return (
        f"Training is counted in steps. An epoch of {model} on {card['data']} is {steps} steps "
        f"({rows:,} rows, {card['usual']['batch_size'] or 'all'} a step): --steps {count * steps}"
    )


def _following(args: list[str], i: int) -> str:
    """The value of the option at that place, where it has one."""
    after = args[i + 1] if i + 1 < len(args) else "-"
    return "" if after.startswith("-") else after


def _with_whole_numbers(args: list[str], counts: set[str]) -> list[str]:
    """The arguments with 1e4 written as 10000, where a whole number is expected."""
    read, expected = list[str](), False
    for word in args:
        name, equals, value = word.partition("=")
        if expected:
            read.append(in_digits(word))
        elif equals and name in counts:
            read.append(f"{name}={in_digits(value)}")
        else:
            read.append(word)
        expected = not expected and word in counts
    return read


def in_digits(text: str) -> str:
    """A whole number in digits; any other text as it is."""
    if not AS_TEXT.fullmatch(text):
        return text
    number = float(text)
    return str(int(number)) if number.is_integer() and number < 2**53 else text


def version_shown(value: bool) -> None:  # noqa: FBT001
    """--version: prints it and ends."""
    if value:
        import zoo

        typer.echo(f"zoo {zoo.__version__}")
        raise typer.Exit
