"""What is every student's own: rows to fit, and numbers for a question in words."""

import torch
from torch import Generator, Tensor


def data(generator: Generator) -> dict[str, Tensor]:
    """Rows x (200, 6) of a model with two latent dimensions."""
    w, mu = torch.randn(6, 2, generator=generator), torch.randn(6, generator=generator)
    z = torch.randn(200, 2, generator=generator)
    return {"x": z @ w.mT + mu + 0.4 * torch.randn(200, 6, generator=generator)}


def questions(generator: Generator) -> dict[str, str]:
    """Part f: the posterior of one row by hand."""
    a, b = torch.randint(1, 6, (2,), generator=generator).tolist()
    return {
        "f": f"4. Let $D = 2$, $K = 1$, $W = ({a}, {b})^T$, $\\mu = 0$, $\\sigma = 1$. What are "
        "the mean and the variance of $p(z \\mid x = (1, 1)^T)$? Fractions will do.\n\n"
        "Your own rows are `x` in `data.safetensors`. What is $\\sigma$ at their maximum of the "
        "likelihood for $K = 2$?"
    }
