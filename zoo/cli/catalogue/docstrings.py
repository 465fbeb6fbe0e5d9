"""What a module's docstring says of the model, guide, objective or data set in it.

The first line is the description. Three kinds of lines are read besides:

    As `NAME`: ...        the description of a variant that the table has under NAME
    Topic: ...            the topic that lists show it under
    Metrics:              followed by a line "    name: ..." for each metric of a module
"""

import inspect
import re
import sys
from dataclasses import dataclass

VARIANT = re.compile(r"^As `([\w+]+)`: (.+)$", re.MULTILINE)
TOPIC = re.compile(r"^Topic: (.+)\.$", re.MULTILINE)
METRIC = re.compile(r"^    (\w+): (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Said:
    """What a docstring says of one name.

    Attributes:
        says: the description, one sentence.
        topic: what lists show it under; "" where the docstring has none.
        text: the docstring without these: its story, equation, shapes and source.
    """

    says: str
    topic: str
    text: str


def said_of(name: str, module: str) -> Said:
    """What the docstring of a module says of a name in a table."""
    doc = docstring(module)
    first, _, rest = doc.partition("\n")
    variants, topic = dict(VARIANT.findall(doc)), TOPIC.search(doc)
    text = TOPIC.sub("", VARIANT.sub("", rest)).strip("\n")
    return Said(variants.get(name, first), topic[1] if topic else "", text)


def metrics_of(module: str) -> dict[str, str]:
    """Metric -> its description, from the list in the docstring of a module."""
    _, _, listed = docstring(module).partition("\nMetrics:\n")
    return dict(METRIC.findall(listed))


def heading_of(package: str) -> tuple[str, str]:
    """The topic that a package is about, which ends at a colon, and what is said of it."""
    heading, _, says = docstring(package).splitlines()[0].partition(": ")
    return heading, says


def docstring(module: str) -> str:
    """The docstring of a module that has been imported, without its indentation."""
    return inspect.cleandoc(sys.modules[module].__doc__ or "")
