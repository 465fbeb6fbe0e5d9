"""A start that fits the problem, and the best normal found without steps."""

import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from zoo.handlers.parameters import in_eval_mode
from zoo.normals.dadvi import Best, dadvi
from zoo.normals.difficulties import Difficulty, difficulties
from zoo.normals.learning import Learnt, NotLearntError, UnboundedError, learn, measured
from zoo.normals.log_density import LogDensity, in_float64
from zoo.normals.normal import Normal
from zoo.normals.pathfinder import Path, pathfinder, starting_points
from zoo.normals.placement import Place, place_in
from zoo.normals.shortfall import RISE, UNSMOOTH, Shortfall
from zoo.results.result import Fit
from zoo.training.checkpointer import Checkpointer
from zoo.training.run import Run
from zoo.training.trainer import Trainer

PATHS = 4
ENDLESS = 10.0  # nats that the model's parameters still promise where they are given up
LEARNT_AGAIN = 3  # rounds of training the model's parameters and then the normal
NOT_SMOOTH = (
    "The log density jumps, or has gradients that are not its own, as after round(), a comparison "
    "or detach(). Its best normal cannot be found along gradients: write it smoothly, sum the "
    "discrete part out, or use a score-function objective such as objective='reinforce'."
)
UNBOUNDED = (
    "The ELBO still rises steeply in the model's own parameters, as where an sd goes to 0 and "
    "nothing bounds the likelihood. Give such a parameter a prior, by pyro.sample in place of "
    "pyro.param, or a bound."
)
MOST_NUMBERS = 500  # of a model's latents: the whole covariance of a start is kept
MOST_CORRELATED = 200  # where a covariance has 20,000 numbers


def begin_near(run: Run, checkpointer: Checkpointer, number: int = 0) -> None:
    """Sets a guide near the posterior, and one of normals to the best of them.

    The latter ends the fit there, and so does Ctrl-C; else `settings.dadvi` is False afterwards.
    A fit that was interrupted begins anew.
    """
    fit, begun = run.fit, time.perf_counter()
    fit.notes, fit.stopped, fit.convergence = [], "finished", None
    try:
        found = _find_start(run)
    except KeyboardInterrupt:
        fit.stopped, fit.last = "interrupted", fit.last or run.trainer.snapshot()
        checkpointer.end(number, fit)
        return
    finally:
        fit.seconds += time.perf_counter() - begun
    place = place_in(fit.program.guide)
    if fit.settings.dadvi and found is not None and place is not None:
        if _is_small(found[0], place):
            try:
                _arrive(run, place, *found, checkpointer, number)
                return
            except NotLearntError as error:
                _say_steps(fit, error)
                assert isinstance(run.trainer, Trainer)
                run.trainer.step, fit.losses, fit.convergence = 0, fit.losses[:0], None
    fit.settings = replace(fit.settings, dadvi=False)


def _find_start(run: Run) -> tuple[LogDensity, list[Path]] | None:
    """Sets a guide of shared latents to the best normal that Pathfinder finds.

    Where there is none, the guide is left as it is, and the fit's notes say why. Guides of other
    kinds begin as they are built, and so do all where steps train the model's own parameters.

    Returns:
        The log density and the paths; None if there is no start.
    """
    fit, place = run.fit, place_in(run.fit.program.guide)
    if place is None or (learnt_by(run) and not fit.settings.dadvi):
        return None
    with in_eval_mode([fit.program]):
        return _found(fit, tuple(run.trainer.rows.args), place)


def _found(fit: Fit, args: tuple, place: Place) -> tuple[LogDensity, list[Path]] | None:
    try:
        density = in_float64(fit.task.build(), args, fit.program.kwargs, fit.program)
    except ValueError as error:
        _say_none(fit, str(error))
        return None
    if density.size > MOST_NUMBERS:
        _say_none(fit, f"{density.size} unknown numbers are more than {MOST_NUMBERS}.")
        return None
    paths = _paths(density, fit.settings.seed)
    fit.other_evaluations = density.evaluations
    if not paths:
        fit.difficulties = difficulties(density, None, [], fit.settings.seed)
        if fit.difficulties and fit.difficulties[0].kind == "dependent support":
            raise ValueError(fit.difficulties[0].sentence)
        _say_none(fit, "no point on the way of L-BFGS gave a normal of finite ELBO.")
        return None
    place.put(paths[0].normal)
    elbo = f"{paths[0].elbo:.2f} nats"
    fit.notes.append(f"start: the best of {len(paths)} paths of L-BFGS, with an ELBO of {elbo}")
    if not (fit.settings.dadvi and _is_small(density, place)):
        fit.difficulties = difficulties(density, paths[0].normal, paths, fit.settings.seed)
        fit.other_evaluations = density.evaluations
    return density, paths


def _paths(density: LogDensity, seed: int) -> list[Path]:
    """Those of Pathfinder from several starts that found a normal, the best one first."""
    starts = starting_points(PATHS, density.size, seed)
    found = [pathfinder(density, start, seed=seed) for start in starts]
    return sorted((path for path in found if path), key=lambda path: -path.elbo)


def learnt_by(run: Run) -> dict[str, nn.Parameter]:
    """The model's own parameters that are trained, by their names in the program."""
    of_model, trained = run.fit.program.of_model(), {id(p) for p in run.trainer.parameters}
    named = run.fit.program.named_parameters()
    return {name: p for name, p in named if id(p) in of_model and id(p) in trained}


def _say_steps(fit: Fit, why: NotLearntError) -> None:
    """Steps of Adam take over. Where nothing bounds the ELBO they are not called converged."""
    said = f"The model's parameters are trained by steps of Adam: {why}."
    warnings.warn(said, stacklevel=5)
    fit.notes.append(said)
    if isinstance(why, UnboundedError):
        fit.settings = replace(fit.settings, until="steps")
        fit.difficulties = [Difficulty("unbounded", UNBOUNDED)]


def _say_none(fit: Fit, why: str) -> None:
    said = f"No start was found, and the guide begins as it is built: {why}"
    warnings.warn(said, stacklevel=5)
    fit.notes.append(said)


def _is_small(density: LogDensity, place: Place) -> bool:
    return place.whole and density.size <= (MOST_CORRELATED if place.correlated else MOST_NUMBERS)


def _arrive(
    run: Run,
    place: Place,
    density: LogDensity,
    paths: list[Path],
    checkpointer: Checkpointer,
    number: int,
) -> None:
    """Sets a guide of normals to the one of the highest ELBO; the fit ends there.

    Args:
        run: the fit under way.
        place: how the guide takes a normal.
        density: the model's log density.
        paths: the paths of Pathfinder, the best one first.
        checkpointer: writes the fit down between rounds and at its end.
        number: which of the checkpointer's fits it is.
    """
    fit, trainer, begin = run.fit, run.trainer, time.perf_counter() - run.fit.seconds
    settings = fit.settings
    assert isinstance(trainer, Trainer)
    fit.program.eval()
    fit.backend_reason = "DADVI takes no steps of an optimizer"
    try:
        rounds = _rounds(run, place, density, paths[0].normal)
        for found in rounds:
            place.put(found.normal)
            trainer.step = len(found.elbos)
            held = _as_rounded(found, trainer.parameters[0].dtype)
            fit.losses, fit.convergence = -torch.tensor(found.elbos), held
            fit.other_evaluations = density.evaluations
            fit.last, fit.seconds = trainer.snapshot(), time.perf_counter() - begin
            if checkpointer.stops({number: fit}):
                fit.stopped = "interrupted"
                break
        paths = _paths(density, settings.seed) or paths if learnt_by(run) else paths
        if fit.stopped != "interrupted":
            _judge(run, density, found, paths)
    except KeyboardInterrupt:
        fit.stopped = "interrupted"
    fit.seconds = time.perf_counter() - begin
    fit.last = fit.last or trainer.snapshot()
    checkpointer.end(number, fit)


def _rounds(run: Run, place: Place, density: LogDensity, start: Normal) -> Iterator[Best]:
    """The best normals with ever more draws; the model's parameters are trained with them.

    Where the normal moved on after the parameters were found, they are found again.
    """
    settings, own = run.fit.settings, learnt_by(run)
    wide = [density.program.get_parameter(name) for name in own]
    given = [parameter.detach().clone() for parameter in own.values()]
    elbos = list[float]()
    for attempt in range(LEARNT_AGAIN if own else 1):
        learnt, seed = None, settings.seed + attempt
        if own:
            try:
                learnt = learn(
                    density,
                    start,
                    wide,
                    correlated=place.correlated,
                    seed=seed,
                    most_steps=settings.steps - len(elbos),
                )
            except NotLearntError:
                _copy(given, list(own.values()))
                raise
            _copy(wide, list(own.values()))
            start, elbos = learnt.normal, elbos + learnt.elbos
        found = None
        for found in dadvi(
            density,
            start,
            correlated=place.correlated,
            tolerance=settings.tolerance,
            seed=seed,
            most_steps=max(1, settings.steps - len(elbos)),
        ):
            yield _with_parameters(found, learnt, elbos)
        if learnt is None or found is None:
            return
        learnt = measured(density, learnt, found.normal, wide, seed + 1)
        yield _with_parameters(found, learnt, elbos)
        little = learnt.rise + 2 * learnt.rise_se < RISE / 2
        if little or learnt.rise > ENDLESS or len(elbos) >= settings.steps:
            return
        start, elbos = found.normal, elbos + found.elbos


@torch.no_grad()
def _copy(values: Sequence[Tensor], parameters: Sequence[Tensor]) -> None:
    """Sets parameters to values, each in its own precision."""
    for parameter, value in zip(parameters, values, strict=True):
        if parameter is not value:
            parameter.copy_(value)


def _judge(run: Run, density: LogDensity, found: Best, paths: list[Path]) -> None:
    """Notes what makes the posterior hard, and says how the fit ended."""
    fit, dtype = run.fit, run.trainer.parameters[0].dtype
    held = _as_rounded(found, dtype)
    fit.difficulties = difficulties(density, found.normal, paths, fit.settings.seed)
    if held.unsmooth >= UNSMOOTH:
        fit.difficulties.insert(0, Difficulty("not smooth", NOT_SMOOTH))
    if learnt_by(run) and held.rise > ENDLESS:
        fit.difficulties.insert(0, Difficulty("unbounded", UNBOUNDED))
    fit.other_evaluations = density.evaluations
    if held.move > max(found.shortfall.move, fit.settings.tolerance):
        _say_rounded(fit, held.move, dtype)
    fit.stopped = "converged" if held.reached(fit.settings.tolerance) else "finished"


def _with_parameters(found: Best, learnt: Learnt | None, before: list[float]) -> Best:
    """The best normal, with what the model's parameters leave to be gained too.

    Args:
        found: the normal.
        learnt: what is known of the parameters; None if none are trained.
        before: the ELBOs of earlier steps, nats.
    """
    rest, elbos = found.shortfall, before + found.elbos
    if learnt is not None:
        rise_se = (rest.rise_se**2 + learnt.rise_se**2) ** 0.5
        rest = replace(rest, rise=rest.rise + learnt.rise, rise_se=rise_se)
    return replace(found, shortfall=rest, elbos=elbos)


def _as_rounded(found: Best, dtype: torch.dtype) -> Shortfall:
    """The shortfall of a normal whose means are rounded to the guide's precision."""
    mean = found.normal.mean
    rounding = float(((mean.to(dtype).double() - mean).abs() / found.normal.sd).max())
    return replace(found.shortfall, move=max(found.shortfall.move, rounding))


def _say_rounded(fit: Fit, move: float, dtype: torch.dtype) -> None:
    said = (
        f"The guide holds its means in {dtype}, which rounds them by up to {move:.2g} guide sds. "
        "Call torch.set_default_dtype(torch.float64) and pass the data as to(torch.float64), or "
        "take their level off."
    )
    warnings.warn(said, stacklevel=5)
    fit.notes.append(said)
