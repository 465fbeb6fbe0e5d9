"""What a trained fit is used for: draws, codes of rows, reconstructions, log p(x), its loss curve.

The methods of :class:`zoo.Fit` of the same names call these functions.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from zoo.checks.arguments import MANY, refusal, seed_given, whole
from zoo.checks.shown import shown
from zoo.device import to_device
from zoo.isolation import isolated
from zoo.latents import Family
from zoo.metrics.bounds import log_evidence
from zoo.metrics.weight_diagnostics import k_hat, k_hat_threshold
from zoo.pairing.validation import check_rows
from zoo.protocols import HasChains, HasMean
from zoo.sampling.draws import draw_jointly, draw_latents
from zoo.sampling.energy import log_z_of, machine_of
from zoo.sampling.importance_weights import some_rows, weight_chunks
from zoo.sampling.separable import with_rows_together
from zoo.sampling.summaries import Codes, Sites, encode, expected_data, new_rows
from zoo.traces import add_up

if TYPE_CHECKING:
    from zoo.program import Program
    from zoo.results.result import Fit

ROW_DRAWS = 1000  # draws for each row behind a code, where its moments are not known
SHOWN_DRAWS = 50  # draws over which a reconstruction is averaged
WEIGHT_DRAWS = 1000  # importance weights for each row
FEWEST_WEIGHTS = 20
CHAIN_SWEEPS = 1000  # of Gibbs chains, in the place of draws from an energy


class LogProb(NamedTuple):
    """Importance-weighted estimates of log p(x), nats; exact where nothing is latent.

    Of a model with an energy an estimate of log Z is taken off, whose error all rows share.

    Attributes:
        value: the estimates, shape (rows,); (1,) where all rows share a latent.
        error: their standard errors, the same shape; 0 where nothing is latent and log Z is known.
        k_hat: Pareto k-hat of each; above the limit of `draws` neither can be trusted. It is
            minus infinity where nothing is latent.
        draws: importance weights of each; 0 where nothing is latent.
        shared: the part of the errors that all rows share: that of log Z, of a model with an
            energy whose log Z is estimated.
    """

    value: Tensor
    error: Tensor
    k_hat: Tensor
    draws: int
    shared: float = 0.0

    def __repr__(self) -> str:
        rows = len(self.value)
        of = f"mean log p(x) of {rows} rows" if rows > 1 else "log p(x)"
        if not (self.draws or self.shared):
            return f"{of}: {float(self.value.mean()):.4f} nats, exact"
        own = (self.error.square() - self.shared**2).clamp(min=0).sum().sqrt()
        mean, error = float(self.value.mean()), math.hypot(float(own) / rows, self.shared)
        if not self.draws:
            return f"{of}: {mean:.4f} ± {error:.4f} nats, of log Z, which all rows share"
        limit = k_hat_threshold(self.draws)
        high = int((self.k_hat > limit).sum())
        doubt = f"; not to be trusted on {high} (k-hat above {limit:.2f})" if high else ""
        return f"{of}: {mean:.4f} ± {error:.4f} nats, {self.draws} draws each{doubt}"


def sample(fit: "Fit", n: int, seed: int) -> Sites:
    """Draws of latents and data from the model with its trained parameters; see `Fit.sample`."""
    count, seed = whole("n", n, most=MANY), seed_given(seed)
    program = fit.program
    if fit.latents.energy_units:
        return _states(fit, count, seed)
    try:
        with isolated(seed=seed), torch.no_grad():
            if _makes_rows(program):
                return new_rows(program, _as_many(program, _like_rows(fit), count), count)
            latents, data = draw_jointly(program, _train(fit), count)
            return latents | data
    except NotImplementedError as error:
        line = str(error).splitlines()[0] if str(error) else "a distribution without draws"
        raise ValueError(
            f"A prior of '{fit.task.name}' cannot be sampled: {line}. Give it a proper prior, or "
            "take draws from the posterior: fit.posterior(n)."
        ) from error


def _states(fit: "Fit", count: int, seed: int) -> Sites:
    """States of as many Gibbs chains of a model with an energy, from fair coins.

    Raises:
        ValueError: for a model that does not say what its sites hold at such a state.
    """
    model = fit.program.model
    if not isinstance(model, HasChains):
        raise ValueError(
            f"'{fit.task.name}' has an energy, of which there are no exact draws, and no method "
            "sites_of(left) that says what its sites hold at a state of a Gibbs chain. Write one."
        )
    with isolated(seed=seed), torch.no_grad():
        machine = machine_of(fit.program, _like_rows(fit), None)
        return model.sites_of(machine.gibbs(machine.coins(count), CHAIN_SWEEPS))


def codes(fit: "Fit", args: tuple, draws: int | None, seed: int) -> Codes:
    """Means and sds of the latents of rows; see `Fit.encode`."""
    names = tuple(site.name for site in fit.latents.sites if site.local)
    if not fit.latents.sites:
        raise ValueError(
            f"'{fit.task.name}' has no latents, so that no row has a code. Its exact log p(x): "
            "fit.log_prob(x); draws of rows: fit.sample(10)."
        )
    if not names:
        raise ValueError(
            f"All data rows share the latents of '{fit.task.name}' ({fit.latents.listed}), so "
            "that no row has a code of its own. Their posterior: fit.posterior(1000)."
        )
    count = whole("draws", ROW_DRAWS if draws is None else draws, least=2, most=MANY)
    given = _given(fit, args)
    _require_drawn(fit, names)
    with isolated(seed=seed_given(seed)):
        return encode(_whole(fit, given), given, names, count)


def reconstruct(fit: "Fit", args: tuple, draws: int | None, seed: int) -> Sites:
    """The data that the latents of rows lead one to expect; see `Fit.reconstruct`."""
    if not fit.latents.observed:
        raise ValueError(
            f"'{fit.task.name}' observes nothing, so that there is nothing to reconstruct. Draws "
            "of its latents: fit.posterior(1000)."
        )
    if not fit.latents.sites:
        raise ValueError(
            f"'{fit.task.name}' has no latents that rows could be reconstructed from. Draws of "
            "rows: fit.sample(10)."
        )
    count = whole("draws", SHOWN_DRAWS if draws is None else draws, most=MANY)
    given = _given(fit, args)
    _require_drawn(fit, fit.latents.names)
    with isolated(seed=seed_given(seed)):
        if _shows_its_mean(fit):
            return {fit.latents.observed[0]: _shown_mean(fit, given, count)}
        return _with_means(expected_data(_whole(fit, given), given, count))


def _with_means(found: Sites) -> Sites:
    """The expected data, refused where an observation has no mean.

    Raises:
        ValueError: naming the site, as for categories and Cauchy noise.
    """
    for name, value in found.items():
        if value.isnan().any():
            raise ValueError(
                f"What is observed at '{name}' has no mean (categories have none), so that "
                "nothing is expected. Draws of it: fit.sample(1000)."
            )
    return found


def _shows_its_mean(fit: "Fit") -> bool:
    """Is what the model observes made of its argument, and its mean known in the argument's units?

    A dequantised model of the zoo observes grey levels with noise in their bins.
    """
    made = fit.latents.derived == fit.latents.observed
    return made and fit.task.recipe is not None and isinstance(fit.program.model, HasMean)


@torch.no_grad()
def _shown_mean(fit: "Fit", args: tuple, draws: int) -> Tensor:
    model, name = fit.program.model, fit.latents.names[0]
    assert isinstance(model, HasMean)
    means = (model.mean(draw_latents(fit.program, args, 1)[name][0]) for _ in range(draws))
    return add_up(mean / draws for mean in means)


def log_prob(fit: "Fit", args: tuple, draws: int | None, seed: int) -> LogProb:
    """Importance-weighted estimates of log p(x); see `Fit.log_prob`."""
    if args and not fit.latents.rowwise:
        raise ValueError(
            f"Data rows share latents of '{fit.task.name}' ({fit.latents.listed}), which were "
            "inferred from the training rows: other rows have no log p(x) of their own. Use "
            "fit.log_prob() for that of the training data, or zoo.evaluate(fit, "
            "metrics=['log_predictive']) for that of test rows given them."
        )
    count = whole(
        "draws", WEIGHT_DRAWS if draws is None else draws, least=FEWEST_WEIGHTS, most=MANY
    )
    given = _given(fit, args)
    check_rows(fit.program.observed, given)
    with isolated(seed=seed_given(seed)), torch.no_grad():
        shared = log_z_of(fit.program, *some_rows(fit.program, given)).error
        if not fit.latents.sites:
            value = torch.cat([log_w[0] for log_w in weight_chunks(_whole(fit, given), given, 1)])
            error, none = torch.full_like(value, shared), torch.full_like(value, -torch.inf)
            return LogProb(value, error, none, 0, shared)
        chunks = weight_chunks(_whole(fit, given), given, count)
        parts = [(*log_evidence(log_w), k_hat(log_w)[0]) for log_w in chunks]
    value, error, k = (torch.cat(part) for part in zip(*parts, strict=True))
    return LogProb(value, error.hypot(error.new_tensor(shared)), k, count, shared)


def transform(fit: "Fit", args: tuple, draws: int | None, seed: int) -> np.ndarray:
    """The means of the codes of rows, side by side; see `Fit.transform`."""
    means = codes(fit, args, draws, seed).mean.values()
    return np.concatenate([mean.flatten(1).double().cpu().numpy() for mean in means], axis=1)


def score(fit: "Fit", args: tuple, draws: int | None, seed: int) -> float:
    """Mean log p(x) of the rows; see `Fit.score`."""
    return float(log_prob(fit, args, draws, seed).value.mean())


def posterior(fit: "Fit", n: int, args: tuple, seed: int) -> Sites:
    """Draws of the latents from the guide; see `Fit.posterior`."""
    count, given = whole("n", n, most=MANY), _given(fit, args)
    if fit.program.guided is not None and not fit.program.guided:
        _require_drawn(fit, fit.latents.names)
    with isolated(seed=seed_given(seed)), torch.no_grad():
        return draw_latents(fit.program, given, count)


def _train(fit: "Fit") -> tuple:
    return tuple(to_device(arg, fit.device) for arg in fit.task.scoring_args("train"))


def _like_rows(fit: "Fit") -> tuple:
    """Arguments with the shapes of the training rows, also where the files of these are missing.

    Unlike :func:`_train` it draws no bits of dynamically binarized data.
    """
    return tuple(to_device(arg, fit.device) for arg in fit.task.data.train)


def _whole(fit: "Fit", args: tuple) -> "Program":
    return with_rows_together(fit.program, args)


def _makes_rows(program: "Program") -> bool:
    """Can a run of the model be asked for another number of rows?"""
    latents = program.latents
    plate = latents.row_plate
    return latents.rowwise and bool(latents.row_args) and plate is not None and plate.given


def _as_many(program: "Program", args: tuple, count: int) -> tuple:
    """The arguments with so many rows, the given ones over and over."""
    total = program.latents.rows_given(args)
    held = torch.arange(count, device=next(program.parameters()).device) % total
    return tuple(arg[held] if i in program.latents.row_args else arg for i, arg in enumerate(args))


def _given(fit: "Fit", args: tuple) -> tuple:
    """The rows asked for on the fit's device; without any, those that it was trained on.

    Raises:
        ValueError: for arguments of another number or shape, and for new rows where the guide has
            parameters for the training rows alone.
    """
    if not args:
        return _train(fit)
    train = _like_rows(fit)
    if not fit.amortised:
        raise ValueError(
            f"{type(fit.program.guide).__name__} has parameters for the training rows alone, and "
            "none for others. Leave the rows out to have the training rows, use an amortised "
            "guide such as guides.AmortisedNormal, or zoo.evaluate(fit, split='test'), which "
            "fits the guide to these rows."
        )
    if len(args) != len(train):
        labels = ", ".join(fit.task.data.labels)
        raise refusal(
            "the rows",
            f"{len(train)} argument{'s' * (len(train) > 1)} ({labels})",
            args,
            "Pass what the model takes.",
        )
    pairs = enumerate(zip(args, train, strict=True))
    given = tuple(_like(i, arg, known, fit) for i, (arg, known) in pairs)
    if not isinstance(fit.program.guide, Family):
        _require_runs(fit, given)
    return given


def _like(i: int, arg: object, known: object, fit: "Fit") -> object:
    """An argument with the type and on the device of the one that the fit was trained on."""
    if not isinstance(known, Tensor):
        return arg
    value = torch.as_tensor(arg) if isinstance(arg, np.ndarray) else arg
    label = fit.task.data.labels[i]
    rows = int(i in fit.latents.row_args)
    wanted = tuple(known.shape[rows:])
    if not isinstance(value, Tensor) or value.shape[rows:] != known.shape[rows:]:
        shape = f"(rows, {', '.join(map(str, wanted))})" if rows else f"{wanted}"
        raise ValueError(
            f"Expected {label} to be a tensor of shape {shape}; got {shown(arg)}. "
            "Pass rows like those that the fit was trained on."
        )
    if rows and not len(value):
        raise ValueError(f"Expected {label} to have at least one row; got none. Pass some rows.")
    return value.to(known)


def _require_drawn(fit: "Fit", names: tuple[str, ...]) -> None:
    """Refuses a guide that leaves one of these latents to the objective.

    Raises:
        ValueError: with the latents, and where their posterior can be had.
    """
    left = [site.name for site in fit.program.pair.left if site.name in names]
    if left:
        raise ValueError(
            f"{type(fit.program.guide).__name__} draws nothing for {', '.join(map(repr, left))}: "
            "the objective sums it out. Fit with a guide that draws it, such as "
            "amortised_discrete; a model that knows its posterior has it in fit.model.posterior."
        )


def _require_runs(fit: "Fit", args: tuple) -> None:
    """Refuses rows that a guide of the user's own cannot be run on.

    Raises:
        ValueError: with what the guide raises on them.
    """
    guide = fit.program.guide
    try:
        with isolated(seed=0), torch.no_grad():
            draw_latents(fit.program, args, 1)
    except (RuntimeError, IndexError, ValueError) as error:
        line = next((line for line in str(error).splitlines() if line.strip()), "")
        raise ValueError(
            f"{type(guide).__name__} cannot be run on these rows: {line}. A guide with parameters "
            "for each training row takes no others: leave the rows out to have the training "
            "rows, or use an amortised guide such as guides.AmortisedNormal."
        ) from error
