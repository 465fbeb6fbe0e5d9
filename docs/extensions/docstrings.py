"""Docstrings of the packages as reStructuredText, and references to what has no page.

The docstrings are plain text with Google's sections: formulas are indented, and a star or a bar is
what it looks like. Here indented lines become literal blocks, single backticks become code, and
what reStructuredText would take for markup is escaped.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pydoc import ErrorDuringImport, locate

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

SECTION = re.compile(r"(Args|Attributes|Example|Raises|Returns|Yields):")
LABEL = re.compile(r"([A-Z][a-z]+(?: [a-z]+){0,3}): (?=\S)")
BULLET = re.compile(r"(- |\d+\. )")
ROLE = re.compile(r":(\w+):`([^`<]+)`")
INLINE = re.compile(r"(:\w+:`[^`]+`|``.+?``)|`([^`]+)`|(\\|[|*]|(?<=\w)_(?!\w))", re.DOTALL)
STARRED_ARGUMENT = re.compile(r"^( +)(\*{1,2})(?=\w+:)", re.MULTILINE)
FORMULA = 4  # columns that a formula is indented by


def setup(app: Sphinx) -> dict[str, bool]:
    """Takes part in the build; napoleon reads the sections afterwards."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", process, priority=400)
    app.connect("autodoc-process-signature", readable)
    app.connect("missing-reference", known_to_python)
    return {"parallel_read_safe": True}


def process(
    app: Sphinx, what: str, name: str, given: object, options: object, lines: list[str]
) -> None:
    """Replaces the lines of a docstring, as autodoc asks.

    Napoleon takes what stands before the first colon for a type, in the docstring of a property
    and at the beginning of "Returns". Here that is text, and so a line with nothing but an escaped
    space, which is not shown, comes before it.
    """
    if name.split(".")[0] in ("zoo", "guides"):
        module = name if what == "module" else getattr(given, "__module__", None) or ""
        untyped = ["\\ "] if what in ("attribute", "data", "property") else []
        lines[:] = untyped + [_absolute(line, module) for line in as_rst(lines)]


def readable(
    app: Sphinx,
    what: str,
    name: str,
    given: object,
    options: object,
    signature: str | None,
    returned: str | None,
) -> tuple[str, str | None] | None:
    """A signature that Sphinx can read: the defaults that a dataclass makes have no text."""
    if signature is None:
        return None
    return signature.replace("<factory>", "..."), returned


def _absolute(line: str, module: str) -> str:
    """The line with the full names of what its roles refer to."""

    def named(match: re.Match[str]) -> str:
        full = next((n for n in candidates(match[2], module) if _exists(n)), match[2])
        return f":{match[1]}:`{match[2]} <{full}>`"

    return ROLE.sub(named, line)


def candidates(target: str, module: str) -> list[str]:
    """The names that a reference inside a module may stand for."""
    return [target, f"{module}.{target}", f"{module.rpartition('.')[0]}.{target}"]


def as_rst(lines: list[str]) -> list[str]:
    """A docstring as reStructuredText that napoleon can read."""
    found: list[str] = []
    for kind, block in groupby(kinds(lines), key=lambda pair: pair[0]):
        text = [line for _, line in block]
        if kind == "formula":
            found += ["", "::", "", *text, ""]
        elif kind == "doctest":
            found += text
        else:
            found += escaped("\n".join(spaced(text))).split("\n")
    return found


def kinds(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Each line with what it is: "text", "formula" or "doctest"."""
    section, doctest, formula = False, False, False
    for line in lines:
        empty, outer = not line.strip(), not line.startswith(" ")
        section = section if empty or not outer else bool(SECTION.fullmatch(line))
        doctest = not empty and (doctest or line.lstrip().startswith(">>>"))
        deep = len(line) - len(line.lstrip()) >= FORMULA
        formula = not section and (formula if empty else deep)
        yield ("doctest" if doctest else "formula" if formula else "text"), line


def spaced(lines: list[str]) -> list[str]:
    """A paragraph of its own for every label, "Source: ...", and for the first of a list."""
    found: list[str] = []
    for line in lines:
        before = found[-1] if found else ""
        listed = BULLET.match(line) and not BULLET.match(before) and not before.startswith(" ")
        if before.strip() and (LABEL.match(line) or listed):
            found.append("")
        found.append(LABEL.sub(r"**\1:** ", line, count=1) if LABEL.match(line) else line)
        if line in ("Returns:", "Yields:"):
            found.append("    \0")
    return found


def escaped(text: str) -> str:
    """The text with code in double backticks, and without accidental markup."""
    text = STARRED_ARGUMENT.sub(lambda m: m[1] + m[2].replace("*", "\0"), text)
    labels = re.compile(r"^\*\*([^*\n]+):\*\* ", re.MULTILINE)
    text = labels.sub("\1\\1:\1 ", text)
    text = INLINE.sub(_one, text)
    return text.replace("    \0\n", "    \\ \n").replace("\0", "*").replace("\1", "**")


def _one(match: re.Match[str]) -> str:
    kept, code, mark = match.groups()
    if kept:
        return kept
    if mark:
        return f"\\{mark}"
    after = match.string[match.end() : match.end() + 1]
    return f"``{' '.join(code.split())}``" + ("\\ " if after.isalnum() else "")


def known_to_python(
    app: Sphinx, env: BuildEnvironment, node: nodes.Element, content: nodes.Node
) -> nodes.Node | None:
    """Plain text in the place of a link to what has no page, but is there; else a warning."""
    if node.get("refdomain") != "py":
        return None
    target, module, cls = node["reftarget"], node.get("py:module") or "", node.get("py:class")
    names = candidates(target, module) + candidates(target, f"{module}.{cls}")
    return content if any(_exists(name) for name in names) else None


@cache
def _exists(name: str) -> bool:
    try:
        return locate(name) is not None
    except ErrorDuringImport:
        return False
