"""Does a support move with the latents, or does the density end at an edge?"""

import torch
from pyro import poutine
from torch import Tensor

from zoo.handlers.particles import particles
from zoo.normals.log_density import LogDensity
from zoo.normals.normal import Normal, balanced_draws
from zoo.normals.shape import Difficulty, listed, values_at
from zoo.sampling.unconstrained import Bijected

KIND = "dependent support"
DRAWS = 128
SHARE = 0.005  # of the draws: fewer at density 0 are the tails of a good fit


def dependent_support(density: LogDensity, normal: Normal, seed: int) -> Difficulty | None:
    """Names the latents whose support moves, or the data that a draw may leave without density.

    Guides of a fixed support refuse the first kind before they are trained
    (`zoo.pairing.guide_rules.fixed_support`); a guide of one's own does not.
    Costs 128 evaluations.

    Args:
        density: the log density.
        normal: whose draws are tried.
        seed: of the draws.
    """
    moving = density.joint.latents.moving
    if moving:
        names, (_, what) = [name for name, _ in moving], moving[0]
        return Difficulty(
            KIND,
            f"The support of {listed(names)} depends on {what}. A normal that is mapped to one "
            "support misses the others. Draw a number from a fixed support, such as u from "
            "Uniform(0, 1), and transform it in the model, b = u * a.",
        )
    points = normal.at(balanced_draws(DRAWS, density.size, seed))
    outside = values_at(density, points) == -torch.inf
    share = float(outside.double().mean())
    sites = _without_density(density, points[outside][:1]) if share > SHARE else []
    if not sites:
        return None
    return Difficulty(
        KIND,
        f"The support of {listed(sites)} depends on latents, and the values lie outside it at "
        f"{share:.0%} of the normal's draws. The posterior ends at an edge, where the density "
        "falls to 0, and no normal has a finite ELBO. Give the latent a support that ends at "
        "that edge, or write it as the edge plus a positive number.",
    )


def _without_density(density: LogDensity, point: Tensor) -> list[str]:
    """Sites whose log-probability is -inf at a point of shape (1, d); none if the model raises."""
    joint = density.joint
    if not joint.latents.vectorises:
        return []
    own = point.to(density.device, torch.get_default_dtype())[:, None]
    wide = particles(joint.program.model, 1, joint.latents.nesting)
    rows = joint.picked if joint.latents.row_args else None
    try:
        with torch.no_grad(), joint.program.handlers(rows), Bijected(joint.columns.unpack(own)):
            trace = poutine.trace(wide).get_trace(*joint.args, **joint.program.kwargs)
            trace.compute_log_prob()
    except (ValueError, RuntimeError):
        return []
    sites = {name: site for name, site in trace.nodes.items() if site["type"] == "sample"}
    return [n for n, site in sites.items() if bool((site["log_prob"] == -torch.inf).any())]
