"""What does a score by IWAE cost? The zoo beside plain PyTorch, and the matrix products alone.

    python -m benchmarks.speed.scoring --out benchmarks/results/scoring.json   # 5 minutes

The VAE is 784-400-20, in float32 on all threads. All ways take about as many draws at a time, and
take turns; a figure is the fastest turn, with the time to compile in it. The products alone are a
floor: no way to score is faster with this library of products.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import torch

from benchmarks import records
from benchmarks.rivals.torch_models import VAELoss, log_mean_weight
from benchmarks.speed.tasks import task_of
from benchmarks.speed.timing import trainer_of
from zoo.sampling import importance_weights

ROW = "bernoulli_vae/amortised_normal/1"
ROWS, DRAWS, AT_ONCE = 600, 5000, 8
TURNS = 2


def the_ways(rows: int, draws: int, at_once: int) -> dict:
    """name -> a function that scores the rows; all but the last return log p(x), shape (rows,)."""
    program = trainer_of(ROW).program.eval()
    x = task_of(ROW)[0].data.train[0][:rows]
    loss = VAELoss(len(x))
    with torch.no_grad():
        for own, other in zip(loss.parameters(), program.parameters(), strict=True):
            own.copy_(other)

    def by_zoo():
        return torch.cat(list(importance_weights.log_mean_weights(program, (x,), draws, 1)), 1)[0]

    def without_compiler():
        usual, importance_weights.COMPILED_FROM = importance_weights.COMPILED_FROM, math.inf
        try:
            return by_zoo()
        finally:
            importance_weights.COMPILED_FROM = usual

    @torch.no_grad()
    def by_hand():
        return log_mean_weight(loss, x, draws, at_once)

    @torch.no_grad()
    def products():
        first, _, second = loss.decoder
        for _ in range(draws // at_once):
            hidden = torch.randn(at_once * rows, first.in_features) @ first.weight.T
            hidden @ second.weight.T

    return {
        "zoo": by_zoo,
        "zoo_without_compiler": without_compiler,
        "plain_torch": by_hand,
        "products_alone": products,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    ways = the_ways(ROWS, DRAWS, AT_ONCE)
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(TURNS):
        for name, run in ways.items():
            begin = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - begin)
    weights = ROWS * DRAWS
    found = {f"{name}_us_a_weight": best[name] / weights * 1e6 for name in ways}
    found |= {f"{name}_over_plain": best[name] / best["plain_torch"] for name in ways}
    found |= {"weights": weights, "load": round(os.getloadavg()[0], 2)}
    print(json.dumps(found, indent=1))
    if asked.out:
        records.write(asked.out, records.made_now() | found)


if __name__ == "__main__":
    main()
