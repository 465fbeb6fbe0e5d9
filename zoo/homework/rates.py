"""The grader's error rates, as `python -m benchmarks.homework` measured them."""

import json
from pathlib import Path

PATH = Path(__file__).parent / "rates.json"


def sentence_on_rates(sheet: str) -> str:
    """What was measured of a sheet's grader, in words.

    Args:
        sheet: its name.
    """
    rates = json.loads(PATH.read_text(encoding="utf-8"))["sheets"] if PATH.exists() else {}
    if sheet not in rates:
        return f"The error rates of this grader on '{sheet}' have not been measured."
    found = rates[sheet]
    chance = f"at most {found['false_fail_bound']:.0e}" if found["false_fail_bound"] else "0"
    return (
        f"Error rates of this grader on '{sheet}': of {found['right']} right solutions "
        f"{found['false_fails']} lost points; of {found['mutants']} wrong ones {found['killed']} "
        f"were found by the test meant for them, at every parameter point and in both dtypes. The "
        f"chance that a right solution fails a statistical test is {chance}."
    )
