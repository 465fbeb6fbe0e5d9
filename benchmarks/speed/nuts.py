"""How many effective draws does NUTS give a second? The zoo's sampler beside Pyro's.

    python -m benchmarks.speed.nuts --out benchmarks/results/nuts.json   # 5 minutes

Both run on one thread, in float64, with a dense metric, the same target acceptance and as long a
warm-up, one after the other on each model. Pyro runs one chain after another, so that its rate
does not depend on their number; the zoo runs all at once.
The clock is the processor's time of this process, which other programs on the machine change
less than the wall's. The fewest effective draws of all scalars are divided by the time of the
draws alone, and by that of warm-up and draws together. Compiling is timed apart, once.
"""

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import MCMC, NUTS
from torch import Tensor

import zoo
from benchmarks import records
from zoo.arviz_compat import chain_diagnostics
from zoo.isolation import in_double, isolated
from zoo.nuts.run import Plan, sample
from zoo.reference.posterior import Posterior, as_double

CHAINS, PYRO_CHAINS, ACCEPT = 4, 2, 0.9
WARMUP, DRAWS = 150, 150
DRAWS_BY_ZOO = 3000  # fewer would take too little time to be measured


class Timed(NamedTuple):
    """Draws (chains, draws, d) of the unconstrained latents, and seconds of warm-up and draws."""

    u: Tensor
    warmup: float
    draws: float


def varying_slopes(x: Tensor, group: Tensor, y: Tensor) -> None:
    """A regression whose slope differs between six groups."""
    mean = pyro.sample("mean", dist.Normal(x.new_zeros(()), 5.0))
    spread = pyro.sample("spread", dist.HalfNormal(x.new_full((), 2.0)))
    noise = pyro.sample("noise", dist.HalfNormal(x.new_full((), 2.0)))
    with pyro.plate("groups", 6):
        slope = pyro.sample("slope", dist.Normal(mean, spread))
    with pyro.plate("rows", len(x)):
        pyro.sample("y", dist.Normal(slope[..., group] * x, noise), obs=y)


def the_models() -> dict[str, tuple[Callable, tuple]]:
    """Name -> a model and its arguments in float64."""
    found: dict[str, tuple[Callable, tuple]] = {}
    for name in ("eight_schools_noncentred", "logistic_regression"):
        task = zoo.load(name)
        rows = tuple(as_double(arg) for arg in task.scoring_args("train"))
        found[name] = task.build().double(), rows
    torch.manual_seed(0)
    x, group = torch.randn(60), torch.arange(60) % 6
    slopes = 1 + 0.7 * torch.randn(6)
    found["varying_slopes"] = (
        varying_slopes,
        (x, group, slopes[group] * x + 0.5 * torch.randn(60)),
    )
    return found


def by_zoo(posterior: Posterior, plan: Plan) -> Timed:
    """A run of the zoo's sampler."""
    ends: list[float] = [time.process_time()]

    def note(told: str) -> None:
        if told.startswith("warm-up"):
            ends[-1] = time.process_time()

    begin = time.process_time()
    run = sample(posterior.slope, posterior.start(), plan, note)
    return Timed(run.u, ends[-1] - begin, time.process_time() - ends[-1])


def by_pyro(posterior: Posterior, model: Callable, args: tuple) -> Timed:
    """A run of Pyro's sampler on the model itself, its draws as unconstrained numbers."""
    parts, seconds = [], [0.0, 0.0]
    for _ in range(PYRO_CHAINS):
        kernel = NUTS(model, full_mass=True, target_accept_prob=ACCEPT)
        marks: dict[str, float] = {}
        sampler = MCMC(
            kernel,
            num_samples=DRAWS,
            warmup_steps=WARMUP,
            disable_progbar=True,
            hook_fn=lambda kernel, place, stage, i, m=marks: m.update(
                {stage: time.process_time()}
            ),
        )
        begin = time.process_time()
        sampler.run(*args)
        warm = next(at for stage, at in marks.items() if stage.lower().startswith("warm"))
        seconds[0] += warm - begin
        seconds[1] += time.process_time() - warm
        parts.append(_unconstrained(posterior, kernel, sampler.get_samples()))
    return Timed(torch.stack(parts), *seconds)


def _unconstrained(posterior: Posterior, kernel: NUTS, drawn: dict[str, Tensor]) -> Tensor:
    free = {
        site.name: kernel.transforms.get(site.name, torch.distributions.identity_transform)(
            drawn[site.name]
        )
        for site in posterior.density.columns.sites
    }
    return torch.cat([value.reshape(DRAWS, -1) for value in free.values()], -1)


def summary(found: Timed) -> dict[str, float]:
    """The fewest effective draws, and how many of them a second."""
    sizes = [chain_diagnostics(x.numpy())["ess_bulk"] for x in found.u.unbind(-1)]
    return {
        "draws": found.u.shape[0] * found.u.shape[1],
        "ess": min(sizes),
        "warmup_seconds": found.warmup,
        "draws_seconds": found.draws,
        "ess_a_second": min(sizes) / found.draws,
    }


def agreement(one: Timed, other: Timed) -> float:
    """The largest difference of means and sds, in Monte Carlo errors of both."""
    worst = 0.0
    for x, y in zip(one.u.unbind(-1), other.u.unbind(-1), strict=True):
        told = chain_diagnostics(x.numpy()), chain_diagnostics(y.numpy())
        for a, b, error in ((x.mean(), y.mean(), "mcse_mean"), (x.std(), y.std(), "mcse_sd")):
            spread = sum(each[error] ** 2 for each in told) ** 0.5
            worst = max(worst, abs(float(a - b)) / spread)
    return worst


def compare(model: Callable, args: tuple, seed: int) -> dict[str, Any]:
    """Both samplers on one model."""
    with isolated(seed=seed), in_double():
        posterior = Posterior(model, args, {}, CHAINS)
        begin = _with_children()
        by_zoo(posterior, Plan(1, 1, ACCEPT))
        compiled = _with_children() - begin
        ours = by_zoo(posterior, Plan(DRAWS_BY_ZOO, WARMUP, ACCEPT))
        theirs = by_pyro(posterior, model, args)
    zoos, pyros = summary(ours), summary(theirs)
    share = PYRO_CHAINS * DRAWS / (CHAINS * DRAWS_BY_ZOO)
    return {
        "zoo": zoos | {"compile_seconds": compiled},
        "pyro": pyros,
        "ratio": zoos["ess_a_second"] / pyros["ess_a_second"],
        "ratio_with_warmup": _whole(zoos, share) / _whole(pyros, 1.0),
        "largest_difference_in_errors": agreement(ours, theirs),
    }


def _whole(found: dict[str, float], share: float) -> float:
    """Effective draws a second of warm-up and a share of the draws, as many as Pyro makes."""
    return share * found["ess"] / (found["warmup_seconds"] + share * found["draws_seconds"])


def _with_children() -> float:
    """Processor time of this process and of the compilers that it has run."""
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + child.ru_utime + child.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", default=",".join(the_models()))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for name in asked.models.split(","):
        found[name] = one = compare(*the_models()[name], asked.seed)
        rates = (f"{who} {one[who]['ess_a_second']:.0f}" for who in ("zoo", "pyro"))
        apart = one["largest_difference_in_errors"]
        words = f"{one['ratio']:.0f} times; means and sds differ by at most {apart:.1f} errors"
        print(f"{name}: effective draws a second: {', '.join(rates)}: {words}", flush=True)
        if not asked.out:
            continue
        settings = {"warmup": WARMUP, "accept": ACCEPT, "seed": asked.seed}
        records.write(asked.out, records.made_now() | settings | {"models": found})


if __name__ == "__main__":
    main()
