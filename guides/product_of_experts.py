"""Product of experts: one encoder for each view of a row; missing views are left out.

    q(z | seen) = N(z; 0, I) prod_m N(z; mu_m(x_m), 1 / t_m(x_m))^seen_m, normalised:
    precision  1 + sum_m seen_m t_m,   mean  sum_m seen_m t_m mu_m / precision.

The views are the arguments that hold rows. Where there are three or more of them and the last is
as wide as the others are many, it is `seen`, (rows, views) of zeros and ones; else every view is
always seen. So it goes on a model of one argument too, as one expert times N(0, I). With no view
at all q is N(0, I), in unconstrained space: the prior of every VAE with a standard one. Under
another prior this factor stays N(0, I): q is a distribution all the same, and every bound with it
is one, but no longer tight where nothing is seen.

Parameters: one encoder for each view.
Source: Wu & Goodman 2018, "Multimodal generative models for scalable weakly-supervised learning".
Topic: Encoders.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pyro
import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.encoder import Encoder, by_row, values_per_row
from guides.parts.normal import normal
from guides.parts.plates import inside, positive
from zoo.latents import Kind, Latents


class ProductOfExperts(Guide):
    """Each row's latents independent normals, the product of what its views say.

    Args:
        latents: the latents to cover.
        hidden: widths of the hidden layers of each encoder; None mirrors the model's decoder.

    Raises:
        ValueError: if there is no data row to read.

    Example:
        Where no view of a row is seen, what is left is the standard normal:

        >>> import guides, torch, zoo
        >>> fit = zoo.fit(zoo.load("multimodal_vae"), guides.ProductOfExperts, steps=5)
        >>> *views, seen = fit.task.split("test")
        >>> draws = fit.guide(*views, torch.zeros_like(seen))["z"]
        >>> bool(draws.mean().abs() < 0.1), bool((draws.std() - 1).abs() < 0.1)
        (True, True)
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})

    def __init__(self, latents: Latents, hidden: Sequence[int] | None = None) -> None:
        super().__init__(latents)
        if not latents.row_args:
            raise ValueError(
                f"ProductOfExperts reads data rows; no argument holds the rows of "
                f"{latents.row_plate}. Put the rows in a plate named 'data', or use PerDatum."
            )
        self.masked = _has_mask(latents.row_widths)
        views = len(latents.row_args) - self.masked
        widths = latents.hidden if hidden is None else tuple(hidden)
        self.experts = nn.ModuleList(_expert(latents, view, widths) for view in range(views))

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given."""
        plates, values, seen = self.plates(args), {}, self.seen(args)
        opinions = zip(*(expert(args) for expert in self.experts), strict=True)
        for site, outputs in zip(self.latents.sites, opinions, strict=True):
            means, scales = torch.stack(outputs).chunk(2, dim=-1)
            moments = product(means, positive(scales), seen)
            event = site.unconstrained_shape
            loc, scale = (by_row(v, site, self.latents, event) for v in moments)
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, normal(loc, scale, site))
        return values

    def seen(self, args: tuple) -> Tensor:
        """Which views each row shows: zeros and ones, shape (rows, views)."""
        last = args[self.latents.row_args[-1]]
        return last if self.masked else last.new_ones(len(last), len(self.experts))


def product(means: Tensor, scales: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of N(0, 1) times the experts that are seen.

    Args:
        means: of each expert, shape (experts, rows, values).
        scales: standard deviations of each expert, same shape.
        seen: zeros and ones, shape (rows, experts).

    Returns:
        Both of shape (rows, values).
    """
    said = seen.mT.unsqueeze(-1) * scales**-2
    precision = 1 + said.sum(0)
    return (said * means).sum(0) / precision, precision**-0.5


def _has_mask(widths: tuple[int, ...]) -> bool:
    return len(widths) > 2 and widths[-1] == len(widths) - 1


def _expert(latents: Latents, view: int, hidden: tuple[int, ...]) -> Encoder:
    """An encoder that reads one argument: to it, the others are not there."""
    alone = replace(
        latents,
        row_args=(latents.row_args[view],),
        context=latents.row_widths[view],
        hidden=hidden,
    )
    return Encoder(alone, lambda site: 2 * values_per_row(site, latents, site.unconstrained_shape))
