"""Does the aggregated posterior match the prior? The ELBO beside InfoVAE and the Wasserstein AE.

    python -m benchmarks.vaes.aggregated   # results/aggregated.json

The same autoencoder of digits with a dense decoder and with one that sees all earlier pixels, each
trained without any term for the prior, by the ELBO, by InfoVAE and as a Wasserstein autoencoder.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

import guides
import zoo
from benchmarks import markdown, records
from zoo.objectives import InfoVAE, MeanFieldKL, Objective

STEPS, SEEDS, DRAWS = 1500, (0, 1), 1000
OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "none": lambda: InfoVAE(alpha=1.0, weight=0.0),
    "ELBO": MeanFieldKL,
    "InfoVAE": InfoVAE,
    "WAE": lambda: InfoVAE(kernel="inverse_multiquadratic"),
}
DECODERS = ("mlp", "pixel")
METRICS = ("prior_mmd/z", "prior_mmd_p/z", "mutual_information", "kl", "elbo", "log_evidence")
HEADS = ("decoder", "drawn to the prior by", "MMD^2 of q(z) and p(z)", "p-value", "I(x; z)", "KL")


def measure(decoder: str, name: str, seed: int) -> dict:
    """One fit, and what its latents hold."""
    task = zoo.load("vae", data="digits", decoder=decoder)
    fit = zoo.fit(
        task, guides.AmortisedNormal, objective=OBJECTIVES[name](), steps=STEPS, seed=seed
    )
    found = zoo.evaluate(
        fit, metrics=["elbo", "log_evidence", "k_hat_share", "latents"], draws=DRAWS
    )
    metrics = {one: asdict(found[one]) for one in (*METRICS, "k_hat_share")}
    return {"decoder": decoder, "objective": name, "seed": seed, "metrics": metrics}


def table(rows: list[dict]) -> str:
    """A line for each fit; log p(x) is left out where the weights of many rows mislead."""
    lines = []
    for row in rows:
        found = row["metrics"]
        cells = [f"{found[n]['value']:.4f} ± {found[n]['se']:.4f}" for n in METRICS[:2]]
        cells += [f"{found[n]['value']:.2f} ± {found[n]['se']:.2f}" for n in METRICS[2:5]]
        trusted = found["k_hat_share"]["value"] < 0.05
        scored = found["log_evidence"]
        cells.append(f"{scored['value']:.2f} ± {scored['se']:.2f}" if trusted else "not to be had")
        lines.append([row["decoder"], row["objective"], str(row["seed"]), *cells])
    heads = (*HEADS[:2], "seed", *HEADS[2:], "ELBO", "log p(x)")
    return markdown.table(heads, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=records.RESULTS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    record = records.made_now(zoo.load("vae", data="digits").data)
    record |= {"steps": STEPS, "seeds": SEEDS, "draws": DRAWS, "rows": []}
    for decoder in DECODERS:
        for name in OBJECTIVES:
            for seed in SEEDS:
                record["rows"].append(measure(decoder, name, seed))
                print(table(record["rows"][-1:]).splitlines()[-1], flush=True)
    records.write(asked.out / "aggregated.json", record)


if __name__ == "__main__":
    main()
