"""Seeds: germination counts on 21 plates, a logistic regression with random effects.

Two types of seed grow on two kinds of root extract. The counts vary more from plate to plate than
a binomial does, so that each plate has an effect of its own. The data say little of how large the
effects are: the posterior of tau has a long tail.

Generative process, for each plate i:
    alpha ~ N(0, 1000^2 I_4)            (intercept, seed, extract, both together)
    tau ~ Gamma(0.001, 0.001)           (a precision)
    eta_i ~ N(0, 1),  b_i = eta_i / sqrt(tau)
    r_i ~ Binomial(n_i, sigmoid(alpha_0 + alpha_1 x1_i + alpha_2 x2_i + alpha_3 x1_i x2_i + b_i))

Shapes: x1, x2, n, r (21,); alpha (4,), tau (), eta (21,).
Source: Crowder (1978), Beta-binomial anova for proportions, Applied Statistics 27; the model of
Breslow and Clayton (1993), with the priors of the BUGS examples, volume I.
Departs from the source: nothing; the effects are written with standard normals.

Nothing is known exactly.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.shapes import require_shape

COEFFICIENT_SCALE, VAGUE = 1000.0, 1e-3


class Seeds(nn.Module):
    """Random-effects logistic regression of counts; it has no parameters to learn."""

    def forward(self, x1: Tensor, x2: Tensor, n: Tensor, r: Tensor) -> Tensor:
        """Generates counts: sites alpha, tau and eta, then the observed site r.

        Args:
            x1: type of seed, 0 or 1, shape (plates,).
            x2: root extract, 0 or 1, shape (plates,).
            n: seeds on a plate, shape (plates,).
            r: seeds that germinated, shape (plates,).

        Returns:
            The observed counts, shape (plates,).

        Raises:
            ValueError: x2, n or r has another shape than x1, or x1 is not (plates,).
        """
        for name, value in (("x1", x1), ("x2", x2), ("n", n), ("r", r)):
            require_shape(name, value, (len(x1),))
        design = torch.stack([torch.ones_like(x1), x1, x2, x1 * x2], -1)
        wide, vague = x1.new_full((4,), COEFFICIENT_SCALE), x1.new_full((), VAGUE)
        alpha = pyro.sample("alpha", dist.Normal(torch.zeros_like(wide), wide).to_event(1))
        tau = pyro.sample("tau", dist.Gamma(vague, vague))
        with pyro.plate("plates", len(x1)):
            eta = pyro.sample("eta", dist.Normal(x1.new_zeros(()), x1.new_ones(())))
            effect = pyro.deterministic("b", eta * tau.rsqrt())
            logits = (design * alpha).sum(-1) + effect
            return pyro.sample("r", dist.Binomial(n, logits=logits), obs=r)
