"""The section of docs/museum.md on numbers that are read as what they are not."""

from benchmarks import markdown


def traps(record: dict) -> str:
    """The section on numbers that are read as what they are not."""
    by_heart, lower = record["traps"]["train rows"], record["traps"]["no bound"]
    lines = [[f"seed {row['seed']}", *map(value, (row["train"], row["test"]))] for row in by_heart]
    others = [
        [f"seed {row['seed']}", f"{row['minus the loss']:.2f}", *map(value, named(row))]
        for row in lower
    ]
    return f"""## Two numbers that are read as what they are not

A failure can also be in what a number is taken for. Made by
`python -m benchmarks.evaluation.traps` ({record["date"]}, {record["steps"]:,} steps).

**A density scored on its train rows.** MADE, fitted to {record["rows"]} digits until it knows them
by heart: its log p(x), nats a row, is exact on both splits, and only one of them says anything
about new digits. `zoo.evaluate` scores test rows unless asked otherwise, and then its first line
is "{by_heart[0]["said"]}".

{markdown.table(("MADE", "100 train rows", "test rows"), lines)}

**A loss that is no bound, read as one.** A Wasserstein autoencoder lowers reconstruction error and
a distance of latents. Its loss with the sign turned, per row, lies far above log p(x) of its own
decoder, which no ELBO can exceed (estimated by another encoder, trained for that decoder held
fixed). The zoo keeps such a loss out of every answer: "{lower[0]["said"]}".

{markdown.table(("Wasserstein autoencoder", "minus the loss", "ELBO", "log p(x)"), others)}"""


def named(row: dict) -> tuple[list[float], list[float]]:
    """The ELBO and log p(x) of a row."""
    return row["elbo"], row["log_evidence"]


def value(pair: list[float]) -> str:
    """A value with its standard error, if it has one."""
    return f"{pair[0]:.2f} ± {pair[1]:.2f}" if pair[1] else f"{pair[0]:.2f}"
