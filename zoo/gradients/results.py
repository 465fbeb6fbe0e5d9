"""The results of a comparison of gradient estimators."""

from dataclasses import dataclass, field, fields
from typing import Any

from zoo.task import Task

SMALLEST_P = 1e-3  # of Hotelling's test; an estimator with a smaller one counts as biased
SMALLEST_P_OF_COORDINATE = 1e-6  # stricter, as the mean of one coordinate may be far from normal


@dataclass(frozen=True)
class Value:
    """A number with its standard error."""

    value: float
    se: float


@dataclass(frozen=True)
class GradientRow:
    """Bias, variance and cost of one estimator at one place.

    Attributes:
        objective: name of the estimator.
        at: where: "initial", "middle" or "trained".
        temperature: of a relaxed guide.
        target: the bound whose gradient it estimates.
        reference: how the reference gradient was computed; "" if it is not known.
        draws: number of gradients drawn.
        tuned: steps of tuning the objective's own parameters.
        bias_p_value: p-value of the test that the bias is 0; None if there is no reference.
        bias_max_z: z-score of the coordinate that is farthest from the reference.
        bias_max_z_p_value: its p-value, corrected for the number of coordinates.
        bias_max_z_of: the parameter that the coordinate belongs to.
        bias: norm and its standard error, both also relative to the exact gradient.
        variance: "encoder", "decoder" and "total" -> variance of one gradient, summed over
            coordinates.
        snr: norm of the exact gradient over the root of the total variance.
        evaluations: number of evaluations of f = log p(x, z) - log q(z) in one gradient.
        seconds: time of one gradient by the plain step, the best of five runs.
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
        """Is there clear evidence of a bias? None where there is no reference."""
        if self.bias_p_value is None or self.bias_max_z_p_value is None:
            return None
        return self.bias_p_value < SMALLEST_P or self.bias_max_z_p_value < SMALLEST_P_OF_COORDINATE


def row_of(record: dict[str, Any]) -> GradientRow:
    """The row that was written to JSON."""
    known = {one.name for one in fields(GradientRow)}
    values = {name: value for name, value in record.items() if name in known}
    variance = {name: Value(**value) for name, value in record["variance"].items()}
    return GradientRow(**values | {"variance": variance})


@dataclass
class Gradients:
    """The results of a comparison of estimators.

    Attributes:
        task: the model and its data.
        rows: one for each estimator and place.
        mismatches: estimator -> why it does not suit the pair.
        settings: of the measurement.
    """

    task: Task
    rows: list[GradientRow]
    mismatches: dict[str, str]
    settings: dict[str, object] = field(default_factory=dict)
