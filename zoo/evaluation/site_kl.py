"""KL(q(z|x) || p(z)) of a latent site, of all sites, and of a site's dimensions, by draws.

Where the guide's sites are independent and Pyro knows the KL of the two distributions, it is taken
in closed form for each draw; else it is log q - log p at the draws.

The KL of all sites is a sum of terms E[ log q(z_i | ..) - log p(z_i | ..) ], one for each site. A
term is a KL, and so not negative, only if the guide draws what p(z_i | ..) depends on before z_i.
A guide that recognises from the data up draws z_1 first, and the model draws z_1 given z_2: its
terms mean nothing by themselves.
"""

import torch
from pyro.distributions import Independent
from torch import Tensor
from torch.distributions import kl_divergence

from zoo.evaluation.mutual_information import guided, log_prob
from zoo.latents import Kind, Latent, Latents
from zoo.latents.forms import as_numbers
from zoo.metrics.means import mean_over_draws_and_rows
from zoo.metrics.metric import Metric
from zoo.traces import Traces


def total_kl(runs: list[Traces], latents: Latents) -> Metric:
    """E_x KL(q(z|x) || p(z)) of all sites together, auxiliary sites of the guide included."""
    names = list(latents.names)
    ratio = torch.cat(
        [
            log_prob(r.guide, guided(r.guide), latents) - log_prob(r.model, names, latents)
            for r in runs
        ]
    )
    return mean_over_draws_and_rows(ratio)


def splits_by_site(traces: Traces) -> bool:
    """Does the guide draw the latents in the model's order, so that each has a KL of its own?"""
    order = guided(traces.guide)
    return order == [name for name in guided(traces.model) if name in order]


def drawn(traces: Traces, latent: Latent) -> Tensor:
    """The values of a site that the guide drew."""
    value = traces.guide.nodes[latent.name]["value"]
    assert isinstance(value, Tensor)
    return value


def rows_first(value: Tensor, latent: Latent, latents: Latents) -> Tensor:
    """A site's values as (draws, rows, dimensions); other plates count as dimensions.

    A permutation has a dimension for each item in each place.
    """
    assert latents.row_plate is not None
    event = len(latent.event_shape) + (latent.kind is Kind.PERMUTATION)
    value = as_numbers(value, latent)
    value = value.reshape((1,) * (latents.nesting + 1 + event - value.dim()) + tuple(value.shape))
    rows_at = value.dim() - event + latents.row_plate.dim
    return value.movedim(rows_at, 1).flatten(2) if value.dim() > 2 else value.unsqueeze(-1)


def log_ratio(latent: Latent, runs: list[Traces], latents: Latents) -> Tensor:
    """Log q - log p of a site at each draw and row, (draws, rows)."""
    name = [latent.name]
    return torch.cat(
        [log_prob(r.guide, name, latents) - log_prob(r.model, name, latents) for r in runs]
    )


def kl_of_dimensions(
    latent: Latent, runs: list[Traces], latents: Latents, *, closed: bool
) -> Tensor | None:
    """KL of each dimension, (draws, rows, dimensions); None unless q and p both factorise.

    Args:
        latent: the site.
        runs: draws of the guide, scored under guide and model.
        latents: the description of all latents.
        closed: may the KL be taken in closed form, because q depends on no other draw?
    """
    parts = []
    for traces in runs:
        q, p = (_elements(t.nodes[latent.name]["fn"]) for t in (traces.guide, traces.model))
        value = drawn(traces, latent)
        if q is None or p is None or len(latent.event_shape) not in (0, q[1]) or q[1] != p[1]:
            return None
        terms = _kl_or_ratio(q[0], p[0], value, closed=closed).expand(value.shape)
        parts.append(rows_first(terms, latent, latents))
    return torch.cat(parts)


def _elements(fn: object) -> tuple | None:
    """The distribution of one element, and how many dimensions `Independent` took; or None."""
    taken = 0
    while isinstance(fn, Independent):
        taken, fn = taken + fn.reinterpreted_batch_ndims, fn.base_dist
    return None if fn.event_shape else (fn, taken)  # type: ignore[attr-defined]


def _kl_or_ratio(q: object, p: object, value: Tensor, *, closed: bool) -> Tensor:
    """KL(q || p) in closed form if it is known and allowed, else log q - log p at the draws."""
    if closed:
        try:
            return kl_divergence(q, p)  # type: ignore[arg-type]
        except NotImplementedError:
            pass
    return q.log_prob(value) - p.log_prob(value)  # type: ignore[attr-defined]
