"""The density log q(u) of a trained guide at any point, from which annealing can start."""

from typing import Any

import torch
from pyro import poutine
from pyro.distributions import Delta
from torch import Tensor

from zoo.handlers.particles import particles
from zoo.sampling.joint_density import Ends, JointDensity
from zoo.sampling.unconstrained import Bijected, to_unconstrained
from zoo.traces import Assign, add_up, sample_sites, sum_plates


class FromGuide:
    """The two ends of an annealing path that starts at the guide instead of the prior.

    The guide may draw each latent from a density, or an auxiliary vector of all unconstrained
    numbers (as FullRank and Pyro's AutoContinuous do), or one for each site (AutoNormal).

    Args:
        joint: the end of the path, the model's joint density.

    Raises:
        ValueError: for a guide whose density at a given point cannot be computed.
    """

    def __init__(self, joint: JointDensity) -> None:
        self.joint, self.columns = joint, joint.columns
        self.rows, self.size = joint.rows, joint.size
        if not joint.latents.vectorises:
            raise ValueError(
                "Annealing from the guide takes a model that broadcasts over particles; this one "
                "does not. Anneal from the prior: ais."
            )
        # not those of the guide's distributions: a composed bijection reports its support as real
        self.supports = {site.name: site.support for site in joint.columns.sites}
        sites = self._sites({}, Bijected({}), 1)
        self.auxiliary = [n for n, site in sites.items() if site["infer"].get("is_auxiliary")]
        self._check(sites)

    @torch.no_grad()
    def draw(self, chains: int) -> Tensor:
        """Draws u from the guide, shape (chains, rows, size)."""
        sites = self._sites({}, Bijected({}), chains)
        names = {site.name for site in self.columns.sites}
        if not self.auxiliary:
            values = {name: site["value"] for name, site in sites.items()}
            return self.columns.pack(to_unconstrained(values, self.supports), chains)
        values = {n.removesuffix("_unconstrained"): sites[n]["value"] for n in self.auxiliary}
        if set(values) == names:
            return self.columns.pack(values, chains)
        return sites[self.auxiliary[0]]["value"].reshape(chains, 1, self.size)

    def __call__(self, u: Tensor) -> Ends:
        """Log density of the guide, and log joint density of the model; u (chains, rows, size)."""
        values = self.columns.unpack(u)
        if not self.auxiliary:
            bijected = Bijected(values, self.supports)
            return Ends(self._log_q({}, bijected, len(u)), self.joint(u).target)
        if self._one_vector:
            ones = [1] * self.joint.latents.nesting
            values = {self.auxiliary[0]: u.reshape(len(u), *ones, self.size)}
        else:
            values = {f"{name}_unconstrained": value for name, value in values.items()}
        return Ends(self._log_q(values, Bijected({}), len(u)), self.joint(u).target)

    @property
    def _one_vector(self) -> bool:
        return {f"{site.name}_unconstrained" for site in self.columns.sites} != set(self.auxiliary)

    def _log_q(self, values: dict[str, Tensor], bijected: Bijected, chains: int) -> Tensor:
        latents = self.joint.latents
        terms = []
        for name, site in self._sites(values, bijected, chains).items():
            if not self.auxiliary or name in self.auxiliary:
                term = site["unscaled_log_prob"] + bijected.log_det.get(name, 0.0)
                terms.append(sum_plates(term, site, latents, keep_rows=latents.rowwise))
        return add_up(terms).expand(chains, self.rows)

    def _sites(self, values: dict[str, Tensor], bijected: Bijected, chains: int) -> dict[str, Any]:
        joint = self.joint
        guide = particles(joint.program.pair.guide, chains, joint.latents.nesting)
        rows = joint.picked if joint.latents.row_args else None
        with bijected, Assign(values), joint.program.handlers(rows):
            trace = poutine.trace(guide).get_trace(*joint.args, **joint.program.kwargs)
        trace = poutine.util.prune_subsample_sites(trace)
        trace.compute_log_prob()
        return {str(site["name"]): site for site in sample_sites(trace)}

    def _check(self, sites: dict[str, Any]) -> None:
        names = {site.name for site in self.columns.sites}
        whole = [n for n in self.auxiliary if sites[n]["value"].numel() == self.size]
        if (
            self.auxiliary
            and self._one_vector
            and not (self.auxiliary == whole and len(whole) == 1 == self.rows)
        ):
            raise ValueError(
                f"The guide draws auxiliary values {self.auxiliary} that are not one vector of "
                f"the {self.size} unconstrained numbers, so its density is not known. Use ais."
            )
        if not self.auxiliary and set(sites) != names:
            raise ValueError(
                f"Annealing from the guide takes a guide of {sorted(names)} alone; it draws "
                f"{sorted(sites)}. Anneal from the prior: ais."
            )
        points = [n for n in sites if not self.auxiliary and isinstance(_base(sites[n]), Delta)]
        if points:
            raise ValueError(
                f"The guide puts '{points[0]}' at a point, so it has no density. Use ais."
            )


def _base(site: Any) -> Any:
    fn = site["fn"]
    while isinstance(fn, torch.distributions.Independent):
        fn = fn.base_dist
    return fn
