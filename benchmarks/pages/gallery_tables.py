"""Tables of docs/gallery.md, made from the records of the benchmarks."""

import math

from benchmarks.markdown import line

HEADS = ("receptive field", "remedy", "seed", "KL", "active units", "I(x; z)", "ELBO", "log p(x)")
NAMES = ("elbo", "log_evidence", "k_hat")
HELD = ("kl", "active_units/z", "mutual_information", "elbo", "log_evidence")


def lines(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    """A Markdown table whose rule is spaced like its other lines."""
    return "\n".join(map(line, [heads, ["---"] * len(heads), *rows]))


def hierarchy(record: dict) -> str:
    """Bounds, and the KL of each group, by the number of groups and the seed."""
    rows = [
        [
            str(run["levels"]),
            str(run["seed"]),
            *(f"{run['metrics'][name][0]:.2f} ± {run['metrics'][name][1]:.2f}" for name in NAMES),
            ", ".join(f"{site} {kl[0]:.1f}" for site, kl in run["kl"].items()),
        ]
        for run in record["runs"]
    ]
    return lines(("L", "seed", "ELBO", "log p(x)", "k-hat", "KL of each group, nats/row"), rows)


def collapse(record: dict) -> str:
    """KL, mutual information and bounds by receptive field and remedy."""
    rows = [
        [str(row["receptive_field"]), row["remedy"], str(row["seed"])]
        + [
            f"{row['metrics'][name]['value']:.2f} ± {row['metrics'][name]['se']:.2f}"
            for name in HELD
        ]
        for row in record["rows"]
    ]
    return lines(HEADS, rows)


def families(record: dict) -> str:
    """Metrics of one picture, a line for each family, nats/row."""
    heads = next(iter(record["metrics"].values()))
    rows = [
        [
            name,
            *(
                f"{each[h]['value']:.3f} ± {each[h]['se']:.3f}" if h in each else "-"
                for h in heads
            ),
        ]
        for name, each in record["metrics"].items()
        if any(h in each for h in heads)
    ]
    table = lines(("nats/row", *heads), rows)
    if "gain" not in record:
        return table
    gain = record["gain"]
    return f"{table}\n\n{record['gain_note']}: {gain['value']:+.3f} ± {gain['se']:.3f}."


def modalities(record: dict) -> str:
    """Every metric of both pairs of modalities, and how much likelier one view makes the other."""
    rows = []
    for pair, metrics in record["metrics"].items():
        for name, value in metrics.items():
            said = f"{value['value']:.3f} ± {value['se']:.3f} {value['unit']}"
            rows.append([pair, name, said])
        value, error = information(metrics)
        name = "one view makes the other likelier by"
        rows.append([pair, name, f"{value:+.3f} ± {error:.3f} nats/row"])
    return lines(("data", "metric", "value"), rows)


def information(metrics: dict[str, dict]) -> tuple[float, float]:
    """log p(x | y) + log p(y | x) - log p(x, y), nats a row, and its error.

    The errors of the three are taken for independent.
    """
    bounds = {name: one for name, one in metrics.items() if name.startswith("log p(")}
    given = sum(one["value"] for name, one in bounds.items() if " | " in name)
    joint = sum(one["value"] for name, one in bounds.items() if " | " not in name)
    return given - joint, math.hypot(*(one["se"] for one in bounds.values()))


def temperatures(record: dict) -> str:
    """Bias and variance of the encoder's gradient."""
    rows = [
        [
            row["objective"],
            "-" if row["temperature"] is None else f"{row['temperature']:g}",
            f"{row['bias']['relative']:.3f} ± {row['bias']['relative_se']:.3f}",
            f"{row['variance']['encoder']['value']:.3g} ± {row['variance']['encoder']['se']:.1g}",
        ]
        for row in record["rows"]
    ]
    return lines(("estimator", "temperature", "relative bias", "variance, encoder"), rows)
