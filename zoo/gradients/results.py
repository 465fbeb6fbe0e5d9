"""What was measured of gradient estimators."""

from dataclasses import dataclass, field

from zoo.task import Task

BIASED = 1e-3
BEYOND_DOUBT = 1e-6  # for one coordinate, whose mean may be far from normal


@dataclass(frozen=True)
class Value:
    """A number with its standard error."""

    value: float
    se: float


@dataclass(frozen=True)
class GradientRow:
    """What was measured of one estimator at one place.

    Attributes:
        objective: name of the estimator.
        at: where: "initial", "middle" or "trained".
        temperature: of a relaxed guide.
        target: the bound whose gradient it estimates.
        reference: where the exact gradient comes from; "" if it is not known.
        draws: number of gradients drawn.
        tuned: steps of tuning the objective's own parameters.
        bias_p_value: chance of a mean gradient so far off, were there no bias; None if unknown.
        bias_max_z: largest distance of a coordinate in standard errors.
        bias_max_z_p_value: its chance, corrected for the number of coordinates.
        bias_max_z_of: the parameter that the coordinate belongs to.
        bias: norm and standard error, and relative to the exact gradient.
        variance: encoder, decoder, total: of one gradient, summed over coordinates.
        snr: norm of the exact gradient over the root of the total variance.
        evaluations: of f = log p(x, z) - log q(z), in one gradient.
        seconds: of one gradient, by the plain step: the best of five runs.
        cost: total variance times evaluations.
        cost_seconds: total variance times seconds.
    """

    objective: str
    at: str
    temperature: float | None
    target: str
    reference: str
    draws: int
    tuned: int
    bias_p_value: float | None
    bias_max_z: float | None
    bias_max_z_p_value: float | None
    bias_max_z_of: str
    bias: dict[str, float] | None
    variance: dict[str, Value]
    snr: float
    evaluations: int
    seconds: float
    cost: float
    cost_seconds: float

    @property
    def biased(self) -> bool | None:
        """Is there a bias beyond doubt? None where there is nothing to compare with."""
        if self.bias_p_value is None or self.bias_max_z_p_value is None:
            return None
        return self.bias_p_value < BIASED or self.bias_max_z_p_value < BEYOND_DOUBT


@dataclass
class Gradients:
    """What a comparison of estimators found.

    Attributes:
        task: the model and its data.
        rows: one for each estimator and place.
        mismatches: estimator -> why it does not go with the pair.
        settings: how it was measured.
    """

    task: Task
    rows: list[GradientRow]
    mismatches: dict[str, str]
    settings: dict[str, object] = field(default_factory=dict)
