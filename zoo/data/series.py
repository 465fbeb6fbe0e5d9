"""Single series and tables whose latents are shared by all numbers: simulated, or of history.

Sources: the generative processes of the models of the same names, with the constants of this file;
Jarrett (1979), A note on the intervals between coal-mining disasters, for `coal_mines`;
Howard (2009), Modeling basics, for `hudson_bay`, as in Carpenter (2018), Predator-prey population
dynamics: the Lotka-Volterra model in Stan.
"""

import torch
from torch import Tensor

from zoo.data.data import Batch
from zoo.data.simulated import UnsplitData, constants, normals

LENGTH = 60
DISASTERS = (  # in British coal mines, from 1851 to 1961, by year
    *(4, 5, 4, 0, 1, 4, 3, 4, 0, 6, 3, 3, 4, 0, 2, 6, 3, 3, 5, 4, 5, 3, 1, 4, 4, 1, 5, 5, 3, 4),
    *(2, 5, 2, 2, 3, 4, 2, 1, 3, 2, 2, 1, 1, 1, 1, 3, 0, 0, 1, 0, 1, 1, 0, 0, 3, 1, 0, 3, 2, 2),
    *(0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 2, 1, 0, 0, 0, 1, 1, 0, 2, 3, 3, 1, 1, 2, 1, 1, 1, 1, 2),
    *(4, 2, 0, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1),
)
PELTS = (  # of hares and lynxes, in thousands, sold to the Hudson Bay company from 1900 to 1920
    *(
        (30.0, 4.0),
        (47.2, 6.1),
        (70.2, 9.8),
        (77.4, 35.2),
        (36.3, 59.4),
        (20.6, 41.7),
        (18.1, 19.0),
    ),
    *(
        (21.4, 13.0),
        (22.0, 8.3),
        (25.4, 9.1),
        (27.1, 7.4),
        (40.3, 8.0),
        (57.0, 12.3),
        (76.6, 19.5),
    ),
    *(
        (52.3, 45.7),
        (19.5, 51.1),
        (11.2, 29.7),
        (7.6, 15.8),
        (14.6, 9.7),
        (16.2, 10.1),
        (24.7, 8.6),
    ),
)
PEOPLE, QUESTIONS = 30, 8
CELLS, WIDTH = 25, 10.0


def autoregression(generator: torch.Generator) -> Batch:
    """A series around 10 that remembers: y_t = 2 + 0.6 y_{t-1} + 0.2 y_{t-2} + 0.8 e_t.

    Args:
        generator: what to draw from.

    Returns:
        y of shape (60,), float64.
    """
    values = [torch.tensor(10.0, dtype=torch.float64)] * 2
    for step in normals(generator, LENGTH + 20):
        values.append(2 + 0.6 * values[-1] + 0.2 * values[-2] + 0.8 * step)
    return (torch.stack(values[-LENGTH:]),)


def garch(generator: torch.Generator) -> Batch:
    """Returns with m 0.1, base 0.1, alpha 0.3 and beta 0.6: y of shape (60,), float64."""
    variance, returns = torch.tensor(1.0, dtype=torch.float64), []
    for step in normals(generator, LENGTH):
        shock = variance.sqrt() * step
        returns.append(0.1 + shock)
        variance = 0.1 + 0.3 * shock.square() + 0.6 * variance
    return (torch.stack(returns),)


def stochastic_volatility(generator: torch.Generator) -> Batch:
    """Returns with mu -1, phi 0.95 and sigma 0.3: y of shape (60,), float64."""
    steps, noise = normals(generator, LENGTH), normals(generator, LENGTH)
    h = [-1 + 0.3 * steps[0] / (1 - 0.95**2) ** 0.5]
    for step in steps[1:]:
        h.append(-1 + 0.95 * (h[-1] + 1) + 0.3 * step)
    return ((torch.stack(h) / 2).exp() * noise,)


def item_response(generator: torch.Generator) -> Batch:
    """Answers of 30 people to 8 questions: y of shape (30, 8), float64."""
    ability, difficulty = normals(generator, PEOPLE, 1), 1.5 * normals(generator, QUESTIONS)
    steepness = (0.5 * normals(generator, QUESTIONS)).exp()
    return (drawn((steepness * (ability - difficulty)).sigmoid(), generator),)


def log_gaussian_cox(generator: torch.Generator) -> Batch:
    """Counts in 25 cells of [0, 10] with a smooth log rate around 0.7: x and y, float64."""
    x = WIDTH * (torch.arange(CELLS, dtype=torch.float64) + 0.5) / CELLS
    kernel = (-0.5 * (x[:, None] - x).square()).exp() + 1e-6 * torch.eye(CELLS).double()
    f = 0.7 + torch.linalg.cholesky(kernel) @ normals(generator, CELLS)
    return x, torch.poisson(f.exp(), generator=generator)


def drawn(probability: Tensor, generator: torch.Generator) -> Tensor:
    """Bits of these probabilities."""
    return torch.bernoulli(probability, generator=generator)


autoregression_series = UnsplitData("autoregression", autoregression, labels=("y",))
garch_returns = UnsplitData("garch", garch, labels=("y",))
volatile_returns = UnsplitData("stochastic_volatility", stochastic_volatility, labels=("y",))
answers = UnsplitData("item_response", item_response, labels=("y",))
cells = UnsplitData("log_gaussian_cox", log_gaussian_cox, labels=("x", "y"))
coal_mines = UnsplitData("coal_mines", constants(tuple(map(float, DISASTERS))), labels=("y",))
hudson_bay = UnsplitData("hudson_bay", constants(PELTS), labels=("y",))
