"""Baselines: what a score-function estimator subtracts from its learning signal.

b must not depend on the draw it is used for; then E[b grad log q(z)] = 0 and only the variance
changes.
Source: Mnih & Gregor 2014, "Neural variational inference and learning in belief networks".
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.checks.arguments import keep_number, keep_wholes, refusal
from zoo.latents import Latents


@dataclass(frozen=True)
class ConstantBaseline:
    """b = `value`, nats per row."""

    value: float

    def __post_init__(self) -> None:
        keep_number(self, "value")

    def build(self, latents: Latents) -> "FixedValue":
        """The baseline's state for one signal."""
        return FixedValue(self.value)


@dataclass(frozen=True)
class DecayingAverage:
    """b = running mean of past signals: b <- decay * b + (1 - decay) * mean signal."""

    decay: float = 0.9

    def __post_init__(self) -> None:
        keep_number(self, "decay", least=0.0, below=1.0, way="Pass e.g. decay=0.9.")

    def build(self, latents: Latents) -> "RunningMean":
        """The baseline's state for one signal."""
        return RunningMean(self.decay)


@dataclass(frozen=True)
class Neural:
    """b(x), a network of the data row, fitted to the signal by least squares."""

    hidden: tuple[int, ...] = (64,)

    def __post_init__(self) -> None:
        keep_wholes(self, "hidden", way="Pass sizes of layers, e.g. (64,).")

    def build(self, latents: Latents) -> "RowNetwork":
        """The baseline's network for one signal."""
        return RowNetwork(latents, self.hidden)


Baseline = ConstantBaseline | DecayingAverage | Neural


def check_baselines(baselines: object) -> None:
    """Refuses anything but a tuple of baselines.

    Raises:
        ValueError: saying what came instead.
    """
    way = "Pass e.g. baselines=(DecayingAverage(),)."
    if not isinstance(baselines, tuple):
        raise refusal("baselines", "a tuple", baselines, way)
    for one in baselines:
        if not isinstance(one, Baseline):
            raise refusal("each of baselines", "a baseline", one, way)


class FixedValue(nn.Module):
    """A number that stays."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, signal: Tensor, args: tuple) -> Tensor:
        """The number, shape ()."""
        return signal.new_full((), self.value)


class RunningMean(nn.Module):
    """A mean over rows and steps, in nats per row; it starts at the first signal."""

    average: Tensor
    steps: Tensor

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("average", torch.zeros(()))
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, signal: Tensor, args: tuple) -> Tensor:
        """Returns the mean of past signals, then takes this one in."""
        past = self.average.clone()
        if self.training:
            weight = torch.where(self.steps == 0, 0.0, self.decay).to(past.dtype)
            self.average = weight * past + (1 - weight) * signal.mean()
            self.steps = self.steps + 1
        return past


class RowNetwork(nn.Module):
    """A small network from a data row to its expected signal."""

    def __init__(self, latents: Latents, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.latents = latents
        widths = (latents.context, *hidden)
        layers = [nn.Linear(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True)]
        self.layers = nn.ModuleList([*layers, nn.Linear(widths[-1], 1)])

    def forward(self, signal: Tensor, args: tuple) -> Tensor:
        """Expected signal of each row, shape (rows,)."""
        value = self.latents.row_context(args)
        for layer in self.layers[:-1]:
            value = layer(value).relu()
        return self.layers[-1](value).squeeze(-1)


def no_rows_to_read(specs: tuple[Baseline, ...], latents: Latents) -> str | None:
    """Why baselines cannot be built: a network of the data row, and no rows; None if they can."""
    if not any(isinstance(spec, Neural) for spec in specs):
        return None
    if latents.rowwise and latents.row_args:
        return None
    return (
        f"A neural baseline reads data rows; not all of {latents.listed} lie in a row plate whose "
        "rows the model is given. Use DecayingAverage(), or put row-wise latents in a plate named "
        "'data'."
    )


class Baselines(nn.Module):
    """The baselines of several learning signals, by name.

    Args:
        specs: the baselines of each signal, taken off one after another.
        latents: description of the model.
        names: of the signals; by default there is one for each latent.
    """

    def __init__(
        self, specs: tuple[Baseline, ...], latents: Latents, names: tuple[str, ...] | None = None
    ) -> None:
        super().__init__()
        self.names = latents.names if names is None else names
        self.parts = nn.ModuleList(
            nn.ModuleList(spec.build(latents) for spec in specs) for _ in self.names
        )

    def forward(
        self, name: str, cost: Tensor, scale: float | Tensor, args: tuple
    ) -> tuple[Tensor, Tensor]:
        """Signal with the baselines taken off (shape of `cost`, nats), and their squared error."""
        signal, own_loss = cost / scale, cost.new_zeros(())
        for baseline in self.parts[self.names.index(name)]:  # type: ignore[attr-defined]
            prediction = baseline(signal.detach(), args)
            own_loss = own_loss + ((signal.detach() - prediction) ** 2).mean()
            signal = signal - prediction.detach()
        return scale * signal.detach(), own_loss
