"""Eight schools: effect of coaching on a verbal test score, estimated in eight experiments.

Source: Rubin (1981), Estimation in parallel randomized experiments, Journal of Educational
Statistics 6.
"""

import torch

from zoo.data.binarize import check_mode, keep
from zoo.data.data import Data, fingerprint

EFFECTS = (28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0)
ERRORS = (15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0)


def load(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Load the eight schools.

    Args:
        seed: Recorded only: nothing is drawn.
        binarize: "none".
        download: Nothing to download: the numbers are in this file.

    Returns:
        sigma, the standard error, and y, the estimated effect, both of shape (8,) in points
        of the test; test is train, and there is no valid.

    Raises:
        ValueError: If binarize is not "none".
    """
    check_mode("eight_schools", binarize, ("none",))
    batch = (torch.tensor(ERRORS), torch.tensor(EFFECTS))
    return Data(
        name="eight_schools",
        train=batch,
        valid=(),
        test=batch,
        rowwise=False,
        image=None,
        observe=keep,
        labels=("sigma", "y"),
        binarize=binarize,
        seed=seed,
        hash=fingerprint("eight_schools", binarize, (batch, (), batch)),
    )
