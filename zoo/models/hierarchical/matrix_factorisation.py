"""Matrix factorisation: who likes what, where most of the answers are missing.

A rating is an inner product of what a user likes and what an item has, both latent. The rows are
the ratings that were given; those that are held out are predicted.

Generative process, for users i, items j and ratings n:
    mu ~ N(0, 5),  spread ~ HalfNormal(1),  sigma ~ HalfNormal(1)
    user_i ~ N(0, I_D),  item_j ~ N(0, spread^2 I_D)
    y_n ~ N(mu + user_i(n)' item_j(n), sigma)      (second arguments are standard deviations)

A rotation or reflection of all factors together changes no rating and no prior. So the posterior
of a single factor is symmetric around 0, whatever the data: its mean is 0, and a guide that finds
one of its rotations is not wrong. What the data tell of are the products, mu, spread and sigma.

Shapes: x (rows, 2), columns user and item; y (rows,); mu (), spread (), sigma (), user (I, D),
item (J, D).
Source: Salakhutdinov & Mnih (2008), Bayesian probabilistic matrix factorization using Markov chain
Monte Carlo.
Departs from the paper: factors have mean 0 and independent dimensions, of one spread; the paper
has a Gaussian-Wishart prior on mean and covariance of both. The noise is learned, with a mean.

Exact: what a user likes given all else, a linear regression.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.shapes import require_shape

MEAN_SCALE = 5.0


class MatrixFactorisation(nn.Module):
    """Users and items with D factors each; it has no parameters to learn."""

    def __init__(self, users: int, items: int, factors: int = 2) -> None:
        """Fixes the sizes.

        Args:
            users: I; the first column of x counts from 0 to I - 1.
            items: J; the second column of x counts from 0 to J - 1.
            factors: D.

        Raises:
            ValueError: one of them is below 1.
        """
        super().__init__()
        if min(users, items, factors) < 1:
            raise ValueError(
                f"Expected users, items and factors >= 1; got {users}, {items} and {factors}. "
                "Count the users and items of x."
            )
        self.users, self.items, self.factors = users, items, factors

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Generates ratings: sites mu, spread, sigma, user and item, then the observed site y.

        Args:
            x: user and item of each rating, shape (rows, 2).
            y: ratings, shape (rows,).

        Returns:
            The observed ratings, shape (rows,).

        Raises:
            ValueError: x is not (rows, 2), or y not (rows,).
        """
        require_shape("x", x, (len(x), 2))
        require_shape("y", y, (len(x),))
        zero, one, zeros = x.new_zeros(()), x.new_ones(()), x.new_zeros(self.factors)
        mu = pyro.sample("mu", dist.Normal(zero, MEAN_SCALE))
        spread = pyro.sample("spread", dist.HalfNormal(one))
        sigma = pyro.sample("sigma", dist.HalfNormal(one))
        with pyro.plate("users", self.users):
            user = pyro.sample("user", dist.Normal(zeros, 1.0).to_event(1))
        with pyro.plate("items", self.items):
            item = pyro.sample("item", dist.Normal(zeros, spread.unsqueeze(-1)).to_event(1))
        who, what = x.long().unbind(-1)
        with pyro.plate("data", len(x)):
            liked = mu + (user[..., who, :] * item[..., what, :]).sum(-1)
            return pyro.sample("y", dist.Normal(liked, sigma), obs=y)

    def posterior_of_users(
        self, x: Tensor, y: Tensor, mu: Tensor, sigma: Tensor, item: Tensor
    ) -> dist.Distribution:
        """Exact posterior of the site user given all other latents, a regression for each user.

        Args:
            x: user and item of each rating, shape (rows, 2).
            y: ratings, shape (rows,).
            mu: shape ().
            sigma: shape ().
            item: shape (J, D).

        Returns:
            Normals N(P_i^-1 b_i, P_i^-1) with P_i = I + sum_n v_n v_n' / sigma^2 over the user's
            ratings, v_n their items, and b_i = sum_n v_n (y_n - mu) / sigma^2: batch shape (I,).
        """
        who, what = x.long().unbind(-1)
        rated = item[what] / sigma
        squares = rated[:, :, None] * rated[:, None, :]
        prior = torch.eye(self.factors, dtype=x.dtype, device=x.device)
        precision = prior.repeat(self.users, 1, 1).index_add(0, who, squares)
        pull = rated * ((y - mu) / sigma)[:, None]
        shift = x.new_zeros(self.users, self.factors).index_add(0, who, pull)
        loc = torch.linalg.solve(precision, shift)
        return dist.MultivariateNormal(loc, precision_matrix=precision)
