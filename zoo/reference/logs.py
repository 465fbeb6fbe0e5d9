"""Positive latents with tails too heavy for a mean or an sd: their logarithms have both.

The scale of a horseshoe has a posterior without a mean, and the variance of an inverse gamma of
few degrees no sd. A reference has the moments of the logarithm for such a site, and a guide's
draws are compared with it by theirs.
"""

from collections.abc import Sequence

from zoo.reference.record import Scalars


def with_logs(values: Scalars, logs: Sequence[str]) -> Scalars:
    """The values, (draws, *shape) for each site, with logarithms for the sites in `logs`."""
    return {name: value.log() if name in logs else value for name, value in values.items()}


def require_positive(logs: Sequence[str], values: Scalars) -> None:
    """Refuses sites that have no logarithm.

    Args:
        logs: sites whose moments are to be of logarithms.
        values: site -> a few values of it.

    Raises:
        ValueError: names the site.
    """
    for name in logs:
        if name not in values:
            raise ValueError(f"No latent named '{name}' for logs. Latents are: {list(values)}.")
        if not (values[name] > 0).all():
            raise ValueError(
                f"Expected positive values of '{name}', whose logarithms are asked for; got "
                f"{float(values[name].min()):.4g}. Leave it out of logs."
            )


def of_logs(logs: Sequence[str]) -> str:
    """What a metric's note says of these sites; empty where there are none."""
    return f"of the logarithm of {', '.join(logs)}" if logs else ""
