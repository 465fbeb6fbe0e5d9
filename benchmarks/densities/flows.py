"""How near do flows come to known densities of the plane, and what do they gain on tables?

    python -m benchmarks.densities.flows                 # flows.json, two pictures, docs/flows.md
    python -m benchmarks.densities.flows --only tables   # one of the two parts
    python -m benchmarks.densities.flows --only page     # docs/flows.md from the results

In the plane the truth is known: KL(p || flow) is the mean of log p(x) - log flow(x) over test
rows, with its standard error. Elsewhere a normal with a full covariance stands beside.
"""

import argparse
import time
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

import guides
import zoo
from benchmarks import markdown, records
from benchmarks.densities import flow_pictures
from zoo.data import load_data
from zoo.results.result import Fit

FLOWS = ("realnvp", "maf", "iaf_density", "naf", "nsf")
PLANE = ("two_moons", "rings", "pinwheel", "checkerboard")
TABLES = {
    "wine_table": FLOWS,
    "breast_cancer_table": FLOWS,
    "ionosphere_table": ("realnvp", "maf", "naf", "nsf"),
    "digits_dequantised": ("realnvp", "maf", "naf", "nsf"),
}
STEPS = {"plane": 1500, "tables": 500}
EARLY = {"batch_size": 100, "valid_every": 10, "patience": 8}
NORMAL = "a normal"
RESULT, PAGE = records.RESULTS / "flows.json", records.DOCS / "flows.md"
DRAWS = 4000


def truth_of(data: str, x: Tensor) -> Tensor:
    """Exact log density of rows of a set of the plane, nats, in double precision."""
    return import_module(f"zoo.data.{data}").log_density(x.double())


def row_of(values: Tensor, **names: Any) -> dict[str, Any]:
    """A mean over test rows with its standard error."""
    error = float(values.std() / len(values) ** 0.5)
    return names | {"value": float(values.mean()), "se": error}


def fitted(model: str, data: str, **settings: Any) -> tuple[Fit, float]:
    """A fit with the model's usual settings but these, and its seconds."""
    start = time.perf_counter()
    fit = zoo.fit(zoo.load(model, data=data), guides.Empty, **settings)
    return fit, time.perf_counter() - start


def normal_of(train: Tensor) -> torch.distributions.MultivariateNormal:
    """The normal of highest likelihood, in double precision."""
    x = train.double()
    return torch.distributions.MultivariateNormal(x.mean(0), torch.cov(x.mT, correction=0))


@torch.no_grad()
def plane(data: str) -> tuple[list[dict], dict[str, flow_pictures.Panel]]:
    """KL of every flow on a set of the plane, and what the pictures show of it."""
    (train,), (x,) = load_data(data).train, load_data(data).test
    truth = truth_of(data, x)
    gap = truth - normal_of(train).log_prob(x.double())
    rows = [row_of(gap, data=data, model=NORMAL, seconds=0.0)]
    panels = {"truth": flow_pictures.panel(lambda grid: truth_of(data, grid), x, train)}
    for model in FLOWS:
        with torch.enable_grad():
            fit, seconds = fitted(model, data, steps=STEPS["plane"])
        gap = truth - fit.model.log_evidence(x)
        rows.append(row_of(gap, data=data, model=model, seconds=seconds))
        draws = fit.sample(DRAWS)["x"]
        panels[model] = flow_pictures.panel(fit.model.log_evidence, draws, train)
        print(rows[-1], flush=True)
    return rows, panels


@torch.no_grad()
def tables(data: str) -> list[dict]:
    """Exact log p(x) of test rows of a table, under every flow."""
    (train,), (x,) = load_data(data).train, load_data(data).test
    rows = [row_of(normal_of(train).log_prob(x.double()), data=data, model=NORMAL, seconds=0.0)]
    for model in TABLES[data]:
        with torch.enable_grad():
            fit, seconds = fitted(model, data, steps=STEPS["tables"], **EARLY)
        rows.append(row_of(fit.model.log_evidence(x), data=data, model=model, seconds=seconds))
        print(rows[-1], flush=True)
    return rows


def shown(rows: list[dict]) -> str:
    """A line for each model and a column for each data set."""
    sets = list(dict.fromkeys(row["data"] for row in rows))
    found = {(row["model"], row["data"]): f"{row['value']:.3f} ± {row['se']:.3f}" for row in rows}
    lines = [[m, *(found.get((m, data), "-") for data in sets)] for m in (NORMAL, *FLOWS)]
    return markdown.table(("model", *sets), lines)


def page(record: dict) -> str:
    """docs/flows.md with its tables made anew."""
    text = PAGE.read_text()
    for name in ("plane", "tables"):
        text = markdown.fill(text, name, shown(record[name]))
    return text


def whole_plane() -> list[dict]:
    """The rows of all sets of the plane; draws the pictures."""
    found, panels = [], {}
    for data in PLANE:
        rows, panels[data] = plane(data)
        found += rows
    flow_pictures.draw(panels, records.DOCS)
    return found


def all_tables() -> list[dict]:
    """The rows of all tables."""
    return [row for data in TABLES for row in tables(data)]


PARTS = {"plane": whole_plane, "tables": all_tables}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=[*PARTS, "page"], help="one part, or the page alone")
    asked = parser.parse_args()
    for part in PARTS if asked.only is None else {asked.only} & set(PARTS):
        earlier = records.read(RESULT) if RESULT.exists() else {}
        made = records.made_now(load_data("two_moons")) | {"steps": STEPS, "early": EARLY}
        records.write(RESULT, earlier | made | {part: PARTS[part]()})
    PAGE.write_text(page(records.read(RESULT)))


if __name__ == "__main__":
    main()
