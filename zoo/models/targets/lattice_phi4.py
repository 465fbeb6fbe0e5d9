"""The scalar field phi^4 on a small lattice: two phases, and neighbours that agree.

A number sits on every site of a cylinder, W sites around and L along it. Each prefers one of two
values, and neighbours prefer to be alike, so that the whole field is mostly above or mostly below
zero: two modes, with correlated numbers in each. Nothing is observed: the guide approximates the
density.

Density, up to its constant, over sites s and neighbours s, t:
    log p(x) = - sum_s [ m / 2 x_s^2 + l x_s^4 ] - 1/2 sum_{s, t} (x_s - x_t)^2

The numbers around the cylinder form one column, and each column depends on the next one alone: the
constant and all variances follow from L - 1 products with a transfer matrix over columns, on nodes
of a quadrature. That matrix is a product over the W sites, and is never formed.

Shapes: coefficients (2,) holds m and l; x (L W,), column by column.
Source: Albergo, Kanwar & Shanahan (2019), Flow-based generative models for Markov chain Monte
Carlo in lattice field theory.
Departs from the paper: the lattice is periodic around only, and small enough to be summed.
"""

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.shapes import require_shape
from zoo.models.targets.factored import sample_by_factor
from zoo.models.targets.quadrature import legendre

NODES = {1: 200, 2: 100, 3: 50, 4: 28}  # for each site of a column of W sites
DROP = 40.0  # nats below the value at 0, at which the quadrature stops


class LatticePhi4(nn.Module):
    """A field on a cylinder; it has no parameters to learn."""

    def __init__(self, around: int = 4, along: int = 4) -> None:
        """Fixes the lattice.

        Args:
            around: W, sites of a column, at most 4.
            along: L, number of columns.

        Raises:
            ValueError: a size is below 1, or around above 4.
        """
        super().__init__()
        if not 1 <= around <= 4 or along < 1:
            raise ValueError(
                f"Expected 1 to 4 sites around and at least 1 along; got {around} and {along}. "
                f"The constant is a sum over {NODES[4]}^4 states of a column of 4."
            )
        self.around, self.along = around, along

    def forward(self, coefficients: Tensor) -> Tensor:
        """Draws site x from a standard normal; a factor corrects its density.

        Args:
            coefficients: m and l, shape (2,).

        Returns:
            x, shape (L W,).

        Raises:
            ValueError: coefficients has another shape than (2,).
        """
        require_shape("coefficients", coefficients, (2,))
        zeros = coefficients.new_zeros(self.around * self.along)
        base = dist.Normal(zeros, torch.ones_like(zeros)).to_event(1)
        return sample_by_factor(base, lambda x: self._log_density(x, coefficients))

    def log_evidence(self, coefficients: Tensor) -> Tensor:
        """Log of the integral of the density, by quadrature over columns.

        Args:
            coefficients: shape (2,).

        Returns:
            Nats, shape ().

        Raises:
            ValueError: l is not positive.
        """
        return self._summed(coefficients)[0].to(coefficients.dtype)

    def posterior_moments(self, coefficients: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Mean, 0 by symmetry, and standard deviation, by the same quadrature.

        Args:
            coefficients: shape (2,).

        Returns:
            Site x -> (mean, sd), each of shape (L W,).
        """
        sd = self._summed(coefficients)[1].sqrt().repeat_interleave(self.around)
        return {"x": (torch.zeros_like(sd).to(coefficients), sd.to(coefficients))}

    def _log_density(self, x: Tensor, coefficients: Tensor) -> Tensor:
        field = x.unflatten(-1, (self.along, self.around))
        steps = (field[..., 1:, :] - field[..., :-1, :]).square().flatten(-2).sum(-1)
        turns = (field - field.roll(1, -1)).square().flatten(-2).sum(-1)
        return _own(field, coefficients).flatten(-2).sum(-1) - (steps + turns) / 2

    def _summed(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """Log of the constant, (), and the variance of a number of each column, (L,); float64."""
        m, strength = coefficients.double()
        if not strength > 0:
            raise ValueError(f"Expected l > 0; got {float(strength)}. Give x^4 a positive factor.")
        low = m.abs() / 2
        edge = ((low + (low**2 + 4 * strength * DROP).sqrt()) / (2 * strength)).sqrt()
        nodes, weights = legendre(NODES[self.around], -edge, edge)
        column = torch.cartesian_prod(*[nodes] * self.around).reshape(-1, self.around)
        log_mass = _own(column, coefficients.double()).sum(-1)
        log_mass = log_mass - (column - column.roll(1, -1)).square().sum(-1) / 2
        log_weight = torch.cartesian_prod(*[weights.log()] * self.around)
        mass = (log_mass + log_weight.reshape(len(column), -1).sum(-1)).exp()
        step = (-(nodes[:, None] - nodes).square() / 2).exp()
        reach = [torch.ones_like(mass)]
        for _ in range(self.along - 1):
            reach.append(self._carried(mass * reach[-1], step))
        total = mass @ reach[-1]
        squares = mass * column[:, 0].square()
        variances = [
            (squares * left * right).sum() / total
            for left, right in zip(reach, reversed(reach), strict=True)
        ]
        return total.log(), torch.stack(variances)

    def _carried(self, state: Tensor, step: Tensor) -> Tensor:
        """The transfer matrix times a state of columns: site by site, (nodes^W,) -> the same."""
        shaped = state.reshape((len(step),) * self.around)
        for site in range(self.around):
            shaped = torch.tensordot(step, shaped, dims=([1], [site])).movedim(0, site)
        return shaped.reshape(-1)


def _own(x: Tensor, coefficients: Tensor) -> Tensor:
    """What each number adds to the log density by itself."""
    m, strength = coefficients
    return -(m / 2 * x.square() + strength * x.pow(4))
