"""Which gives held-out rows the higher probability: an explicit density, or a model with latents?

    python -m benchmarks.densities                # all tables; rows that are there are kept
    python -m benchmarks.densities digits         # all models at one budget, digits of 8 x 8
    python -m benchmarks.densities grey           # flows and others, grey levels of the digits
    python -m benchmarks.densities mnist          # three published densities, static MNIST, short
    python -m benchmarks.densities grey --only FlowGAN --again
    python -m benchmarks.densities mnist --fits runs/densities    # goes on after a kill
    python -m benchmarks.pages.densities          # docs/densities.md
    python -m benchmarks.pages.pictures densities densities_grey

The models of a table of digits have the same rows and batch. Log p(x) of a density is exact; of a
model with latents it is importance-sampled, a lower bound in expectation. Grey levels are scored
as `benchmarks.densities.grey` says. MNIST needs binarized_mnist.npz in the folder that ZOO_DATA
names. Its fits are shorter than the published ones, so that only the order of the rows can be
compared.
"""

import argparse
import time
from pathlib import Path

import torch

import zoo
from benchmarks import records
from benchmarks.densities import grey
from benchmarks.densities.rows import DIGITS, GREY, MNIST, Row
from guides import guide_named

RESULT = records.RESULTS / "densities.json"
TABLES: dict[str, tuple[Row, ...]] = {"digits": DIGITS, "grey": GREY, "mnist": MNIST}
DRAWS, SHOWN, METRICS = 1000, 10, ("elbo", "log_evidence")
TRAIN_ROWS = 5000  # of static MNIST, to show how much a fit owes to rows it has seen
MOST_ROWS = 1000  # whose values are kept, for differences between models


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", choices=[*TABLES, "all"], default="all")
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    parser.add_argument("--seeds", type=int, default=2, help="of the tables of digits")
    parser.add_argument("--share", type=float, default=1.0, help="of each row's steps")
    parser.add_argument("--again", action="store_true", help="measure rows that are there, too")
    parser.add_argument("--fits", type=Path, help="folder to keep fits in, and to go on from")
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    for table in TABLES if "all" in asked.tables else asked.tables:
        for row in TABLES[table]:
            for seed in range(1 if table == "mnist" else asked.seeds):
                if asked.only in row.name and (
                    asked.again or not held(asked.out, table, row, seed)
                ):
                    keep(asked.out, table, row, seed, asked.share, asked.fits)


def held(path: Path, table: str, row: Row, seed: int) -> bool:
    """Is the row with this seed in the file?"""
    return any(named(one) == (table, row.name, seed) for one in rows_of(path))


def rows_of(path: Path) -> list[dict]:
    """The rows that the file holds."""
    return records.read(path)["rows"] if path.exists() else []


def named(row: dict) -> tuple[str, str, int]:
    """Table, name and seed of a row."""
    return row["table"], row["name"], row["seed"]


def keep(
    path: Path, table: str, row: Row, seed: int, share: float, fits: Path | None = None
) -> None:
    """Measures a row and writes the file with it."""
    task = row.task()
    found = {"table": table, "name": row.name, "seed": seed, "published": row.published}
    folder = place(fits, table, row, seed)
    whole, begin = folder is None or not folder.exists(), time.process_time()
    fit = trained(row, task, seed, max(1, round(share * row.steps)), folder)
    found |= {"cpu seconds": time.process_time() - begin if whole else None} | about(fit)
    found |= grey.measured(fit) if table == "grey" else measured(fit)
    if table == "mnist":
        (x,) = task.split("train")
        found["train"] = float(fit.log_prob(x[:TRAIN_ROWS]).value.double().mean())
    record = records.made_now(task.data) | {"command": f"python -m benchmarks.densities {table}"}
    found |= {key: record[key] for key in records.MADE}
    print({k: v for k, v in found.items() if k not in ("samples", "by row")}, flush=True)
    others = [one for one in rows_of(path) if named(one) != named(found)]
    records.write(path, record | {"rows": [*others, found]})


def place(fits: Path | None, table: str, row: Row, seed: int) -> Path | None:
    """The folder of a row's fit; None where fits are not kept."""
    name = row.name.replace(",", "").replace(" ", "_")
    return None if fits is None else fits / f"{table}-{name}-seed{seed}"


def trained(row: Row, task: zoo.Task, seed: int, steps: int, folder: Path | None) -> zoo.Fit:
    """The fit of a row; it goes on from what the folder holds."""
    return zoo.fit(
        task,
        guide_named(row.guide or task.usual_guide),
        seed=seed,
        progress=True,
        checkpoint=folder,
        resume=folder,
        **row.settings(steps),
    )


def about(fit: zoo.Fit) -> dict:
    """What is told of every fit."""
    return {
        "exact": not fit.latents.sites,
        "steps": len(fit.losses),
        "best step": min(fit.valid, key=lambda pair: pair[1])[0] if fit.valid else None,
        "seconds": fit.seconds,
        "backend": fit.backend,
        "parameters": sum(p.numel() for p in fit.program.parameters()),
        "image": fit.task.data.image,
    }


def measured(fit: zoo.Fit) -> dict:
    """Log p(x) of the test rows, nats a row, and draws as text."""
    found = zoo.evaluate(fit, metrics=METRICS, draws=DRAWS)
    values = fit.log_prob(*fit.task.split("test"), draws=DRAWS).value.double()
    shown = {name: [metric.value, metric.se] for name, metric in found.items()}
    return shown | {
        "error over rows": float(values.std()) / len(values) ** 0.5,
        "by row": [round(float(value), 3) for value in values[:MOST_ROWS]],
        "test rows": len(values),
        "samples": samples(fit),
    }


def samples(fit: zoo.Fit) -> list[str]:
    """Rows drawn from the model, their bits as hexadecimal numbers."""
    drawn = fit.sample(SHOWN)["x"].reshape(SHOWN, -1)
    return [f"{int(''.join(str(int(bit)) for bit in row), 2):x}" for row in drawn.to(torch.int64)]


if __name__ == "__main__":
    main()
