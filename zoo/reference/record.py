"""A reference posterior: draws of long Markov chains, their moments and diagnostics."""

from dataclasses import dataclass, field

from torch import Tensor

Scalars = dict[str, Tensor]


class UnreliableReferenceError(ValueError):
    """Draws that did not pass the checks of a reference."""


@dataclass(frozen=True, eq=False)
class Reference:
    """Draws from a posterior. Every tensor but the draws is of one draw's shape.

    Attributes:
        model: its name.
        data: name of the data set.
        hash: fingerprint of the data, see :func:`zoo.data.data.fingerprint`.
        seed: of the chains.
        draws: site -> draws, thinned, shape (draws, *shape).
        mean: site -> posterior mean, from all draws of the chains; this and all that follows is
            of the logarithm, for the sites in :attr:`logs`.
        sd: site -> posterior standard deviation, from all draws of the chains.
        r_hat: site -> rank-normalised split R-hat.
        ess_bulk: site -> effective sample size in the bulk.
        ess_tail: site -> the smaller of the effective sample sizes of the 5 % and 95 % quantiles.
        mcse_mean: site -> Monte Carlo standard error of the mean.
        mcse_sd: site -> Monte Carlo standard error of the sd.
        k_mean: site -> Pareto k-hat of the heavier tail; see :mod:`zoo.reference.tails`.
        k_sd: site -> Pareto k-hat of the squared distances from the mean.
        divergences: number of divergent transitions in all chains.
        settings: chains, warmup and draws of each chain, and how the sites were sampled.
        provenance: command, commit, versions and data, see :func:`zoo.provenance.provenance`.
    """

    model: str
    data: str
    hash: str
    seed: int
    draws: Scalars = field(repr=False)
    mean: Scalars = field(repr=False)
    sd: Scalars = field(repr=False)
    r_hat: Scalars = field(repr=False)
    ess_bulk: Scalars = field(repr=False)
    ess_tail: Scalars = field(repr=False)
    mcse_mean: Scalars = field(repr=False)
    mcse_sd: Scalars = field(repr=False)
    k_mean: Scalars = field(repr=False)
    k_sd: Scalars = field(repr=False)
    divergences: int
    settings: dict[str, object]
    provenance: dict[str, object] = field(repr=False)

    @property
    def logs(self) -> tuple[str, ...]:
        """Sites whose tails have no mean or no sd, and whose moments are of their logarithms."""
        named = self.settings.get("logs", ())
        return tuple(str(name) for name in named)  # type: ignore[attr-defined]

    def moments(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Site -> posterior mean and standard deviation."""
        return {name: (self.mean[name], self.sd[name]) for name in self.mean}

    def errors(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Site -> Monte Carlo standard errors of mean and standard deviation."""
        return {name: (self.mcse_mean[name], self.mcse_sd[name]) for name in self.mean}
