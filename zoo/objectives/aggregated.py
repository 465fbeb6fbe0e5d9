"""What objectives share that compare q(z), the mean of q(z | x) over rows, with the prior p(z).

They compare draws: one latent of each row of a minibatch beside a draw of its prior.
"""

from typing import Any, NamedTuple

from torch import Tensor

from zoo.latents import Kind, Latents
from zoo.traces import Pair, Traces, add_up, sample_sites


class Draws(NamedTuple):
    """One run of guide and model, with what is compared.

    Attributes:
        traces: the run.
        reconstruction: - log p(x | z), nats for the full data, shape ().
        z: the guide's draws, a row for each data row, (rows, M).
        y: as many draws of the prior; a learned prior follows them, if it can be followed.
        rows: N, the number of rows of the full data.
    """

    traces: Traces
    reconstruction: Tensor
    z: Tensor
    y: Tensor
    rows: int


def draw(pair: Pair, args: tuple, kwargs: dict) -> Draws:
    """Runs guide and model once, and draws from the prior.

    Args:
        pair: the model, the guide, and the latents.
        args: arguments of both.
        kwargs: their keyword arguments.
    """
    (traces,) = pair.draw(1, args, kwargs)
    (name,), plate = pair.latents.names, pair.latents.row_plate
    assert plate is not None
    observed = [site for site in sample_sites(traces.model) if site["is_observed"]]
    loss = -add_up(site["log_prob"].sum() for site in observed)
    site: Any = traces.model.nodes[name]
    prior = site["fn"]
    y = prior.rsample() if prior.has_rsample else prior.sample()
    z, y = (_by_row(value, pair.latents) for value in (site["value"], y))
    return Draws(traces, loss, z, y, plate.size)


def width(latents: Latents) -> int:
    """M, the number of values in a row's latent; 1 where it is a single number."""
    (site,) = latents.sites
    return max(1, site.event_shape.numel())


def needs_one_latent(name: str, latents: Latents) -> str | None:
    """The sentence of refusal where there is not exactly one continuous latent of each row.

    Args:
        name: of the objective.
        latents: the model's.
    """
    sites = latents.sites
    if len(sites) == 1 and sites[0].local and sites[0].kind is Kind.CONTINUOUS:
        if sites[0].reparameterised:
            return None
        return (
            f"{name} learns the prior by its draws; those of the prior of '{sites[0].name}' are "
            "not reparameterised, so that it would not learn. Use trace, or another prior, such "
            "as standard or realnvp."
        )
    return (
        f"{name} compares draws of one continuous latent of each row with its prior; this "
        f"model has {latents.listed or 'none'}. Use trace, or a model with one latent z a row."
    )


def _by_row(value: Tensor, latents: Latents) -> Tensor:
    return value.reshape(-1, width(latents))
