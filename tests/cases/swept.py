"""A small sweep: three learning rates, two seeds, a few steps."""

from small_tasks import ppca_task

import zoo

RATES = (1e-4, 0.3, 0.02)
DRAWS = 50


def swept(task=None, guides=("amortised_normal",), **settings):
    """Three learning rates, two seeds, a few steps."""
    settings = {"lr": RATES, "seeds": 2, "steps": 30, "draws": DRAWS} | settings
    return zoo.sweep(ppca_task() if task is None else task, guides, **settings)


def scores(found):
    """Setting -> its score, in the order of the table."""
    return {str(one.setting): one.value for one in found.scores}
