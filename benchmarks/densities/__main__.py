"""Which gives held-out rows the higher probability: an explicit density, or a model with latents?

    python -m benchmarks.densities                # both tables; rows that are there are kept
    python -m benchmarks.densities digits         # all models at one budget, digits of 8 x 8
    python -m benchmarks.densities mnist          # three published densities, static MNIST, short
    python -m benchmarks.densities --only flow --again
    python -m benchmarks.pages.densities          # docs/densities.md and its picture

The models of the table of digits have the same rows, steps, batch and learning rate. Log p(x) of
a density is exact; of a model with latents it is importance-sampled, a lower bound in expectation.
MNIST needs binarized_mnist.npz in the folder that ZOO_DATA names. Its fits are far shorter than
the published ones, so that only the order of the rows can be compared.
"""

import argparse
from pathlib import Path

import torch

import zoo
from benchmarks import records
from benchmarks.densities.rows import DIGITS, MNIST, Row
from guides import guide_named

RESULT = records.RESULTS / "densities.json"
TABLES: dict[str, tuple[Row, ...]] = {"digits": DIGITS, "mnist": MNIST}
DRAWS, SHOWN, METRICS = 1000, 10, ("elbo", "log_evidence")
MOST_ROWS = 1000  # whose values are kept, for differences between models


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", choices=[*TABLES, "all"], default="all")
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    parser.add_argument("--seeds", type=int, default=2, help="of the table of digits")
    parser.add_argument("--share", type=float, default=1.0, help="of each row's steps")
    parser.add_argument("--again", action="store_true", help="measure rows that are there, too")
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    for table in TABLES if "all" in asked.tables else asked.tables:
        for row in TABLES[table]:
            for seed in range(asked.seeds if table == "digits" else 1):
                if asked.only in row.name and (
                    asked.again or not held(asked.out, table, row, seed)
                ):
                    keep(asked.out, table, row, seed, asked.share)


def held(path: Path, table: str, row: Row, seed: int) -> bool:
    """Is the row with this seed in the file?"""
    return any(named(one) == (table, row.name, seed) for one in rows_of(path))


def rows_of(path: Path) -> list[dict]:
    """The rows that the file holds."""
    return records.read(path)["rows"] if path.exists() else []


def named(row: dict) -> tuple[str, str, int]:
    """Table, name and seed of a row."""
    return row["table"], row["name"], row["seed"]


def keep(path: Path, table: str, row: Row, seed: int, share: float) -> None:
    """Measures a row and writes the file with it."""
    task = row.task()
    found = {"table": table, "name": row.name, "seed": seed, "published": row.published}
    found |= measured(row, task, seed, max(1, round(share * row.steps)))
    record = records.made_now(task.data)
    found |= {key: record[key] for key in records.MADE}
    print({k: v for k, v in found.items() if k not in ("samples", "by row")}, flush=True)
    others = [one for one in rows_of(path) if named(one) != named(found)]
    records.write(path, record | {"rows": [*others, found]})


def measured(row: Row, task: zoo.Task, seed: int, steps: int) -> dict:
    """Log p(x) of the test rows, nats a row, the seconds of the fit, and draws as text."""
    fit = zoo.fit(
        task,
        guide_named(row.guide or task.usual_guide),
        steps=steps,
        seed=seed,
        lr=row.lr,
        batch_size=100,
        progress=True,
    )
    found = zoo.evaluate(fit, metrics=METRICS, draws=DRAWS)
    values = fit.log_prob(*task.split("test"), draws=DRAWS).value.double()
    shown = {name: [metric.value, metric.se] for name, metric in found.items()}
    return shown | {
        "exact": not fit.latents.sites,
        "error over rows": float(values.std()) / len(values) ** 0.5,
        "by row": [round(float(value), 3) for value in values[:MOST_ROWS]],
        "test rows": len(values),
        "steps": steps,
        "seconds": fit.seconds,
        "backend": fit.backend,
        "parameters": sum(p.numel() for p in fit.program.parameters()),
        "image": task.data.image,
        "samples": samples(fit),
    }


def samples(fit: zoo.Fit) -> list[str]:
    """Rows drawn from the model, their bits as hexadecimal numbers."""
    drawn = fit.sample(SHOWN)["x"].reshape(SHOWN, -1)
    return [f"{int(''.join(str(int(bit)) for bit in row), 2):x}" for row in drawn.to(torch.int64)]


if __name__ == "__main__":
    main()
