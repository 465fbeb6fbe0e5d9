"""Tables with two classes for logistic regression; all rows are train, as in published evidences.

x (rows, D), a column of ones first, then measurements in units of their standard deviation (a
column that does not vary stays 0); y (rows,), 1 or 0. Test is train, and there is no valid.
Source: `ionosphere` and `sonar` are of the UCI repository; `credit` is simulated, since the
German credit table is not in the zoo.

As `ionosphere`: 351 radar returns, 35 columns; good or bad.
As `sonar`: 208 sonar returns, 61 columns; metal or rock.
As `credit`: Simulated, of the shape of the German credit table: 1000 rows, 25 columns.
"""

import torch

from zoo.data.binarize import check_mode
from zoo.data.data import Batch, Data, make_data
from zoo.data.simulated import normals
from zoo.data.stream import stream
from zoo.data.uci import read_table

CREDIT_ROWS, CREDIT_COLUMNS, CREDIT_SHARE = 1000, 24, 0.25
CREDIT_INTERCEPT, CREDIT_SCALE = 1.2, 0.5


def ionosphere(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Radar returns: x of shape (351, 35) and y of shape (351,)."""
    check_mode("ionosphere", binarize, ("none",))
    return _whole("ionosphere", read_table("ionosphere.npz", (351, 34)), seed)


def sonar(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Sonar returns: x of shape (208, 61) and y of shape (208,)."""
    check_mode("sonar", binarize, ("none",))
    return _whole("sonar", read_table("sonar.npz", (208, 60)), seed)


def credit(seed: int = 0, binarize: str = "none", *, download: bool = False) -> Data:
    """Simulated loans: x of shape (1000, 25) and y of shape (1000,), of which 0.7 are 1."""
    check_mode("credit", binarize, ("none",))
    return _whole("credit", simulate_credit(stream(seed, "credit")), seed)


def simulate_credit(generator: torch.Generator) -> Batch:
    """Draw features, most of them yes or no, few of which matter, then labels.

    Args:
        generator: What to draw from.

    Returns:
        Features of shape (1000, 24) and labels -1 or 1 of shape (1000,), float64.
    """
    x = normals(generator, CREDIT_ROWS, CREDIT_COLUMNS)
    x[:, 8:] = (x[:, 8:] > 0.7).double()
    kept = torch.rand(CREDIT_COLUMNS, generator=generator, dtype=torch.float64) < CREDIT_SHARE
    beta = CREDIT_SCALE * normals(generator, CREDIT_COLUMNS) * kept
    chance = (CREDIT_INTERCEPT + x @ beta).sigmoid()
    return x, 2 * torch.bernoulli(chance, generator=generator) - 1


def _whole(name: str, batch: Batch, seed: int) -> Data:
    x, y = batch
    sd, mean = torch.std_mean(x, 0, correction=0)
    z = (x - mean) / torch.where(sd > 0, sd, 1.0)
    dtype = torch.get_default_dtype()
    made = (torch.cat([torch.ones_like(z[:, :1]), z], 1).to(dtype), (y > 0).to(dtype))
    return make_data(name, (made, (), made), ("x", "y"), seed, rowwise=False)
