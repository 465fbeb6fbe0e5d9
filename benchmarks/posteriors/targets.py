"""The posteriors of the arena: models of the zoo with their data, and how the truth is known."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

import zoo
from zoo.metrics.posterior import Moments, exact_moments
from zoo.reference import reference
from zoo.task import Task


@dataclass(frozen=True)
class Target:
    """One posterior.

    Attributes:
        model: name of the model.
        options: of :func:`zoo.load`, such as the data set.
        what: what makes it hard or easy, for the page.
    """

    model: str
    what: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The model, and its data set where that is not the usual one."""
        data = str(self.options.get("data", ""))
        return data if data.startswith(self.model) else f"{self.model} {data}".strip()

    def load(self) -> Task:
        """The task."""
        return zoo.load(self.model, **self.options)


TARGETS = (
    Target("linear_regression", "a normal: full-rank normals are exact"),
    Target("gp_regression", "a normal of 30 correlated numbers"),
    Target("logistic_regression", "31 weights, nearly normal, correlated"),
    Target("logistic_regression", "two classes of radar returns", {"data": "ionosphere"}),
    Target("logistic_regression", "sonar: 61 weights for 208 rows", {"data": "sonar"}),
    Target("logistic_regression", "simulated in the shape of German credit", {"data": "credit"}),
    Target("radon", "intercepts and slopes of counties"),
    Target("autoregression", "a constant and coefficients that are strongly correlated"),
    Target("change_point", "two positive rates, nearly independent"),
    Target("garch", "bent: the data say little of each parameter"),
    Target("lotka_volterra", "rates of a differential equation, strongly correlated"),
    Target("sparse_logistic", "a horseshoe: funnels and heavy tails", {"data": "ionosphere"}),
    Target("sparse_logistic", "the same horseshoe on sonar", {"data": "sonar"}),
    Target("item_response", "products of abilities and discriminations, 46 numbers"),
    Target("seeds", "random effects of plates, and a precision with a long tail"),
    Target("stochastic_volatility", "a log variance of 60 days, hardly told from its level"),
    Target("log_gaussian_cox", "a smooth log rate, skewed where nothing was counted"),
    Target("eight_schools_noncentred", "one positive scale, little else"),
    Target("eight_schools", "a funnel between a scale and eight effects"),
    Target("neals_funnel", "scales over orders of magnitude, 10 numbers"),
    Target("neals_funnel", "the same funnel in the plane", {"data": "neals_funnel_2"}),
    Target("banana", "a curved density of the plane"),
    Target("facing_moons", "two crescents"),
    Target("forty_gaussians", "forty modes in the plane"),
    Target("many_well", "2^16 modes in 32 dimensions"),
    Target("lattice_phi4", "a field of 16 neighbours with two phases"),
    Target("double_well_particles", "four particles in the plane, which may be turned around"),
)


WITHOUT_TRUTH = {  # posteriors of the zoo that have no reference, and why
    "matrix_factorisation": "a rotation of all factors leaves the density as it is, so that the "
    "means of the factors are 0 whatever the data; only predictions can be compared",
    "bnn": "an exchange of hidden units leaves the density as it is; only predictions can be "
    "compared (`python -m benchmarks.evaluation.bnn`)",
}


@dataclass(frozen=True)
class Truth:
    """What is known of a posterior.

    Attributes:
        moments: site -> mean and sd.
        errors: site -> standard errors of these; None where they are exact.
        kind: "exact" or "NUTS".
        logs: sites whose moments are of the logarithm.
    """

    moments: Moments
    errors: Moments | None
    kind: str
    logs: tuple[str, ...] = ()

    def sized(self, site: str) -> tuple[Tensor, Tensor]:
        """Mean and sd of a site, flattened, float64."""
        mean, sd = self.moments[site]
        return mean.double().reshape(-1), sd.double().reshape(-1)


def truth_of(task: Task) -> Truth | None:
    """Exact moments where the model knows them, else those of the stored reference, else None."""
    exact = exact_moments(task.build(), tuple(task.scoring_args("train")))
    if exact is not None:
        return Truth(exact, None, "exact")
    found = reference(task)
    return None if found is None else Truth(found.moments(), found.errors(), "NUTS", found.logs)
