"""Markovian score climbing: the inclusive divergence along a Markov chain for the posterior.

    - grad KL( p(z | x) || q(z | x) ) = E_{p(z | x)} grad log q(z | x)
                                      ~  sum_k v_k grad log q(z_k | x),

where z_1 is the state of a chain, z_2, ..., z_K are drawn from q, w_k = p(x, z_k) / q(z_k) and
v_k = w_k / sum_j w_j. One of the K values, chosen with chances v, is the chain's next state: this
is a conditional importance sampling kernel, which leaves p(z | x) as it is for every K and every
q. A chain that has arrived gives the gradient without bias, also with two values, where the
weights of fresh draws alone (`forward_kl`, `rws`) have a bias of order 1/K. How fast it arrives
depends on K and on how well q covers the posterior.

Theta follows sum_k v_k grad log p(x, z_k), whose mean along the chain is the gradient of log p(x).

Each row has a chain of its own, and where rows share a latent there is one for all latents. They
are kept from step to step, in memory for every row of the data; in minibatches those of the rows
that are taken move. A chain starts at a draw of q. Outside of training all K values are drawn
from q, as there are no chains for other rows.

The value is the importance-weighted bound of the K - 1 fresh draws.

Cost: K evaluations of f = log p(x, z) - log q(z).
Source: Naesseth, Lindsten & Blei 2020, "Markovian score climbing: variational inference with
KL(p||q)", with the average over all K values of its appendix.
Topic: Wake-sleep and inclusive divergence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import Message
from pyro.poutine.subsample_messenger import _Subsample
from torch import Tensor, nn

from zoo.checks.arguments import keep_whole
from zoo.latents import Latent, Latents
from zoo.objectives.log_ratio import Values, at, spread, unstacked, widen
from zoo.objectives.objective import Needs, Objective
from zoo.objectives.scored_again import draw_unscored, require_given
from zoo.objectives.scored_draws import estimate
from zoo.objectives.target import Target
from zoo.objectives.without_replacement import gumbel_like
from zoo.traces import Pair, Traces, log_mean_exp


@dataclass(frozen=True)
class MarkovianScoreClimbing(Objective):
    """The inclusive divergence by a chain of each row and `particles` - 1 fresh draws.

    Raises:
        ValueError: for fewer than two particles.

    Example:
        The chains are kept with the fit, one for each row, and go on where they were if it is
        resumed:

        >>> import guides, torch, zoo
        >>> from zoo.models.linear.ppca import ProbabilisticPCA
        >>> from zoo.objectives import MarkovianScoreClimbing
        >>> x, objective = torch.randn(40, 3), MarkovianScoreClimbing(2)
        >>> fit = zoo.fit(ProbabilisticPCA(3, 2), guides.AmortisedNormal, x, objective=objective,
        ...               steps=2, batch_size=8)
        >>> fit.program.state.of("z").shape, int(fit.program.state.begun.sum())
        (torch.Size([40, 2]), 16)
    """

    particles: int = 5

    def __post_init__(self) -> None:
        keep_whole(self, "particles", least=2, way="One is the chain's state, the others are new.")

    @property
    def needs(self) -> Needs:
        """What it asks of a guide."""
        return Needs(row_weights=True, scores=True, nonlinear=True, density=True, given=True)

    @property
    def target(self) -> Target:
        """No bound: the gradient depends on where the chains are."""
        return Target(None, None)

    @property
    def keeps_chains(self) -> bool:
        """Yes: one for each row."""
        return True

    def objection(self, latents: Latents) -> str | None:
        """It keeps a chain for each row, of whose number it has to know."""
        for site in latents.sites:
            for plate in site.plates:
                if plate.subsample < 0:
                    return (
                        f"{type(self).__name__} keeps a state for every element of '{site.name}'; "
                        f"its plate '{plate.name}' has no size. Give it one, e.g. "
                        f"pyro.plate('{plate.name}', len(x)), or use forward_kl."
                    )
        return None

    def state(self, latents: Latents) -> "PosteriorChains":
        """The chains."""
        return PosteriorChains(latents)

    def loss(self, pair: Pair, state: nn.Module, args: tuple, kwargs: dict) -> Tensor:
        """Negative importance-weighted bound of the fresh draws, nats, shape ()."""
        assert isinstance(state, PosteriorChains)
        latents = pair.latents
        with SameRows(latents) as same:
            runs = draw_unscored(pair, self.particles, args, kwargs)
            require_given(runs, latents, type(self).__name__)
            rows = same.rows if latents.rowwise else None
            z = state.begin(_stacked(runs, latents), rows)
            weights = at(pair, unstacked(z), args, kwargs)
        log_w = weights.log_w.detach()
        state.move(z, log_w, rows)
        surrogate = log_w.softmax(0) * (weights.log_p + weights.log_q_constant)
        return estimate(weights, log_mean_exp(log_w[1:]).sum(), surrogate.sum())


class SameRows(Messenger):
    """Has all runs take the rows that the first one takes.

    Attributes:
        rows: their numbers, shape (batch,); None before a run, and where there is no row plate.
    """

    def __init__(self, latents: Latents) -> None:
        super().__init__()
        self.plate = latents.row_plate.name if latents.row_plate else None
        self.rows: Tensor | None = None

    def _pyro_sample(self, msg: Message) -> None:
        if self._is_it(msg) and self.rows is not None:
            msg["value"] = self.rows

    def _pyro_post_sample(self, msg: Message) -> None:
        value = msg["value"]
        if self._is_it(msg) and self.rows is None and isinstance(value, Tensor):
            self.rows = value

    def _is_it(self, msg: Message) -> bool:
        return isinstance(msg["fn"], _Subsample) and msg["name"] == self.plate


class PosteriorChains(nn.Module):
    """The states of the chains, by site, for all rows.

    Args:
        latents: description of the model.
    """

    begun: Tensor  # 1 for each row whose chain has begun

    def __init__(self, latents: Latents) -> None:
        super().__init__()
        self.latents = latents
        size = latents.row_plate.size if latents.rowwise and latents.row_plate else 1
        self.register_buffer("begun", torch.zeros(size, dtype=torch.int64))
        for number, site in enumerate(latents.sites):
            start = torch.zeros((*site.batch_shape, *site.event_shape), dtype=site.dtype)
            self.register_buffer(f"state_{number}", start)

    def of(self, name: str) -> Tensor:
        """The states of a site, (*plates, *event), all rows."""
        found = getattr(self, f"state_{self.latents.names.index(name)}")
        assert isinstance(found, Tensor)
        return found

    def begin(self, fresh: Values, rows: Tensor | None) -> Values:
        """Puts the chains that have begun in the place of the first fresh draws; in training only.

        Args:
            fresh: by site, (particles, *plates, *event).
            rows: the numbers of the rows that they are of; None where the chain is of all rows.
        """
        if not self.training:
            return fresh
        begun, found = self.begun if rows is None else self.begun[rows], {}
        for name, draws in fresh.items():
            site, kept = self.latents[name], self.of(name)
            if rows is not None:
                kept = kept.index_select(self._row_dim(site), rows)
            kept = widen(kept, self.latents, site).to(draws)
            first = torch.where(spread(begun, self.latents, site) > 0, kept, draws[0])
            found[name] = torch.cat((first[None], draws[1:]))
        return found

    @torch.no_grad()
    def move(self, z: Values, log_w: Tensor, rows: Tensor | None) -> None:
        """Moves each chain to one of its K values; in training only.

        Args:
            z: the values by site, (particles, *plates, *event).
            log_w: their log-weights, nats, constants, shape (particles, rows).
            rows: as for :meth:`begin`.
        """
        if not self.training:
            return
        chosen = (log_w + gumbel_like(log_w)).argmax(0)
        for number, site in enumerate(self.latents.sites):
            values, kept = z[site.name], self.of(site.name)
            place = spread(chosen, self.latents, site).expand_as(values[0])
            value = values.gather(0, place[None])[0].to(kept)
            if rows is None:
                moved = value.reshape(kept.shape)
            else:
                dim = self._row_dim(site)
                shape = (*kept.shape[:dim], len(rows), *kept.shape[dim + 1 :])
                moved = kept.index_copy(dim, rows, value.reshape(shape))
            setattr(self, f"state_{number}", moved)
        everyone = torch.ones_like(self.begun)
        self.begun = everyone if rows is None else self.begun.index_fill(0, rows, 1)

    def _row_dim(self, site: Latent) -> int:
        assert self.latents.row_plate is not None
        return len(site.batch_shape) + self.latents.row_plate.dim


def _stacked(runs: Sequence[Traces], latents: Latents) -> Values:
    """The guide's draws by site, constants, (particles, *plates, *event)."""
    found = {}
    for name in latents.names:
        draws = [cast(Tensor, run.guide.nodes[name]["value"]).detach() for run in runs]
        whole = len(draws) == 1  # all particles in one run
        site = latents[name]
        found[name] = draws[0] if whole else torch.stack([widen(z, latents, site) for z in draws])
    return found
