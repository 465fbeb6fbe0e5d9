"""The names of all tables, and a card of each: what `names.json` beside this file holds."""

import json
from functools import cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("names.json")


@cache
def known() -> dict[str, Any]:
    """What the file holds, by the keys that :func:`zoo.cli.pairs.all_names` describes."""
    return json.loads(PATH.read_text(encoding="utf-8"))
