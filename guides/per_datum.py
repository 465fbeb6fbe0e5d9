"""Per-datum mean-field normal: every data row has variational parameters of its own.

    q(z_n) = T( N(u_n; m_n, s_n^2) ),   (m_n, s_n) optimised for each row n.

No network stands between the data and its posterior, so there is no amortisation gap; a new row
needs an optimisation of its own.

Parameters: 2 for each unconstrained value of each row.
Source: Hoffman, Blei, Wang & Paisley 2013, "Stochastic variational inference"; the basic approach
of UMass COMPSCI 688.
Topic: Free parameters for each row.
"""

from collections.abc import Mapping
from typing import ClassVar

import pyro
import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.normal import SMALL_SCALE, normal
from guides.parts.per_row import unconstrained
from guides.parts.plates import inside, positive, unscaled
from zoo.latents import Kind, Latent, Latents


class PerDatum(Guide):
    """Each row's latents independent normals with free parameters.

    Example:
        Seven rows of data have seven means of two values each:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> x = torch.randn(7, 5)
        >>> fit = zoo.fit(ProbabilisticPCA(5, 2), guides.PerDatum, x, steps=10)
        >>> fit.guide.loc[0].shape
        torch.Size([7, 2])
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    amortised: ClassVar[bool] = False

    def __init__(self, latents: Latents) -> None:
        super().__init__(latents)
        shapes = [(*site.batch_shape, *site.unconstrained_shape) for site in latents.sites]
        self.loc = nn.ParameterList(torch.zeros(shape) for shape in shapes)
        self.unconstrained_scale = nn.ParameterList(
            torch.full(shape, SMALL_SCALE) for shape in shapes
        )

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows in this minibatch."""
        plates, values = self.plates(args), {}
        assert self.latents.row_plate is not None
        rows = plates[self.latents.row_plate.name].indices
        for site, loc, scale in zip(
            self.latents.sites, self.loc, self.unconstrained_scale, strict=True
        ):
            loc, scale = (_rows_of(value, rows, site, self.latents) for value in (loc, scale))
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, normal(loc, positive(scale), site))
        return values

    @torch.no_grad()
    def start(self, draws: Mapping[str, Tensor]) -> None:
        """Takes the mean and sd of each row's draws; site -> (draws, *batch, *event)."""
        found = unconstrained(draws, self.latents)
        for site, loc, scale in zip(
            self.latents.sites, self.loc, self.unconstrained_scale, strict=True
        ):
            loc.copy_(found[site.name].mean(0))
            scale.copy_(unscaled(found[site.name].std(0)))


def _rows_of(value: Tensor, rows: Tensor, site: Latent, latents: Latents) -> Tensor:
    assert latents.row_plate is not None
    return value.index_select(latents.row_plate.dim - len(site.unconstrained_shape), rows)
