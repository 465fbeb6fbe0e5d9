"""Draws of data from a model, as if nothing had been observed."""

from collections.abc import Callable

from pyro import poutine
from pyro.distributions import Unit
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from pyro.poutine.trace_struct import Trace

from zoo.energies import Boltzmann


class Simulated(Messenger):
    """Samples observed sites, except factors and deterministic sites, which keep their values.

    Pyro's `uncondition` samples deterministic sites too; their Delta distributions would then be
    expanded over the particles, which their values already have.
    """

    def _pyro_sample(self, msg: Message) -> None:
        if isinstance(msg["fn"], Boltzmann) and (msg["is_observed"] or msg["value"] is None):
            raise ValueError(
                f"'{msg['name']}' has an energy, from which no exact draws can be made. States of "
                "Gibbs chains: fit.sample(10)."
            )
        fixed = (msg["infer"] or {}).get("_deterministic") or isinstance(msg["fn"], Unit)
        if msg["is_observed"] and not fixed:
            msg["is_observed"], msg["value"], msg["done"] = False, None, False


def simulate(model: Callable, args: tuple, kwargs: dict) -> Trace:
    """A trace of one run of the model in which latents and data are drawn.

    Args:
        model: any Pyro model; replayed latents stay as they are.
        args: its arguments; of the observed ones only the shapes matter.
        kwargs: its keyword arguments.
    """
    with Simulated():
        return poutine.trace(model).get_trace(*args, **kwargs)
