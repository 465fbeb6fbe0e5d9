"""The two phases of training an energy: the data pull it down, the model's own chains push it up.

Source: Ackley, Hinton & Sejnowski 1985, "A learning algorithm for Boltzmann machines".
"""

from dataclasses import replace
from typing import Any

from pyro import poutine
from pyro.poutine.messenger import Messenger
from torch import Tensor

from zoo.energies import Bipartite, Boltzmann
from zoo.latents import Latents, Model
from zoo.objectives.objective import Needs, Objective
from zoo.traces import Pair, sample_sites


def needs_of(bound: Objective) -> Needs:
    """What a bound asks of a guide, and a model with an energy."""
    return replace(bound.needs, energy=True)


def objection_of(objective: Objective, bound: Objective, latents: Latents) -> str | None:
    """Why they do not go on a model: its rows are not in a plate, or the bound objects."""
    if latents.row_plate is None or not latents.row_args:
        return (
            f"{type(objective).__name__} trains the energy of data rows; no argument of this "
            "model holds the rows of a plate. Observe them under pyro.plate('data', len(x))."
        )
    return bound.objection(latents)


def energy_site(pair: Pair, args: tuple, kwargs: dict) -> tuple[Boltzmann, Tensor]:
    """The site of a run whose score leaves out log Z: its distribution and its value."""
    guided = poutine.trace(pair.guide).get_trace(*args, **kwargs)
    return _energy_of(poutine.replay(pair.model, trace=guided), args, kwargs)


def machine_of(pair: Pair, args: tuple, kwargs: dict) -> Bipartite:
    """The units of the energy, with gradients. No latent is inferred: no weight hangs on one."""
    fn, _ = _energy_of(AnyState()(pair.model), args, kwargs)
    return fn.machine


class AnyState(Messenger):
    """A model under it has zeros at latents with an energy, whose draws would take long."""

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if isinstance(msg["fn"], Boltzmann) and msg["value"] is None:
            msg["value"] = msg["fn"].machine.left_bias.new_zeros(msg["fn"].shape())
            msg["done"] = True


def _energy_of(model: Model, args: tuple, kwargs: dict) -> tuple[Boltzmann, Tensor]:
    trace = poutine.trace(model).get_trace(*args, **kwargs)
    sites: list[dict[str, Any]] = [dict(site) for site in sample_sites(trace)]
    (found,) = [site for site in sites if isinstance(site["fn"], Boltzmann)]
    return found["fn"], found["value"]


def negative_phase(pair: Pair, machine: Bipartite, left: Tensor) -> Tensor:
    """-N E[F] over the states of chains, whose gradient is that of N log Z; shape (), nats.

    Args:
        pair: the model and the guide.
        machine: the units, with gradients.
        left: states of the left units, constants, shape (chains, A).
    """
    plate = pair.latents.row_plate
    assert plate is not None
    return -plate.size * machine.free_energy(left).mean()
