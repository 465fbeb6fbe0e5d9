"""Does the right space recover what was planted? A sphere and hyperbolic space beside flat space.

    python -m benchmarks.vaes.manifolds   # results/manifolds.json, docs/manifolds.png

Directions on a sphere and nodes of a tree are hidden in simulated rows. Autoencoders whose latents
lie on a sphere, in hyperbolic space or in flat space are trained on the rows, with decoders of one
size; their codes of test rows are held against what is hidden. And the digits, on a sphere.
"""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from scipy.stats import spearmanr
from torch import Tensor

import guides
import zoo
from benchmarks import markdown, records
from zoo.data import planted_directions, planted_tree
from zoo.figure_style import GREY, in_style, save_figure
from zoo.manifolds import lorentz_normal
from zoo.manifolds.hyperboloid import inner
from zoo.manifolds.sphere import angle, unit

STEPS, SEEDS, DRAWS, LR = 1200, (0, 1, 2, 3, 4), 200, 2e-3
DIGITS_STEPS = 2000
ROWS = 300  # of the test rows, between which distances are ranked
HEADS = ("hidden", "latent space", "guide", "rank correlation of distances", "on clean codes")
HEADS += ("angle after rotation", "ELBO", "log p(x)")


@dataclass(frozen=True)
class Space:
    """An autoencoder with latents in a space.

    Attributes:
        says: the space.
        model: a name of the zoo.
        guide: its guide.
        latent: its option.
    """

    says: str
    model: str
    guide: type[guides.Guide]
    latent: int


ON_SPHERE = Space("sphere, 3 coordinates", "hyperspherical_vae", guides.AmortisedPowerSpherical, 3)
HYPERBOLIC = Space("hyperbolic plane", "hyperbolic_vae", guides.AmortisedWrappedNormal, 2)
PLANE = Space("plane", "vae", guides.AmortisedNormal, 2)
SPACES = {
    "directions": (
        ON_SPHERE,
        Space("sphere, 3 coordinates", "hyperspherical_vae", guides.AmortisedVonMisesFisher, 3),
        Space("flat, 3 dimensions", "vae", guides.AmortisedNormal, 3),
        PLANE,
    ),
    "tree": (HYPERBOLIC, PLANE),
}
DATA = {
    "directions": {"data": "planted_directions", "likelihood": "gaussian_learned"},
    "tree": {"data": "planted_tree"},
}


def codes(fit: zoo.Fit, x: Tensor, space: Space) -> Tensor:
    """The mean code of each row, as a point of the space."""
    mean = fit.encode(x).mean["z"].double()
    if space.model == "hyperspherical_vae":
        return unit(mean)
    if space.model == "hyperbolic_vae":
        return mean / (-inner(mean, mean)).sqrt()[:, None]
    return mean


def distances(z: Tensor, space: Space) -> Tensor:
    """Geodesic distances between codes, (rows, rows)."""
    if space.model == "hyperspherical_vae":
        return angle(z[:, None], z)
    if space.model == "hyperbolic_vae":
        return lorentz_normal.distance(z[:, None], z)
    return torch.cdist(z, z)


def correlation(found: Tensor, truth: Tensor) -> float:
    """Spearman's rank correlation of two tables of distances, over pairs of rows."""
    pairs = torch.triu_indices(*found.shape, offset=1)
    return float(spearmanr(found[*pairs], truth[*pairs]).statistic)


def turned(z: Tensor, truth: Tensor) -> float:
    """Mean angle to the true directions in degrees, after the best rotation or reflection."""
    z = unit(z)
    left, _, right = torch.linalg.svd(z.T @ truth)
    return float(angle(z @ left @ right, truth).mean().rad2deg())


def measure(hidden: str, space: Space, seed: int) -> dict:
    """One fit on data of that seed, and how its codes agree with what is hidden."""
    task = zoo.load(space.model, latent=space.latent, seed=seed, **DATA[hidden])
    fit = zoo.fit(task, space.guide, objective="trace", steps=STEPS, lr=LR, seed=seed)
    found = zoo.evaluate(fit, metrics=["elbo", "log_evidence"], draws=DRAWS)
    (x,) = task.split("test")
    z = codes(fit, x[:ROWS], space)
    row = {"hidden": hidden, "space": space.says, "guide": space.guide.__name__, "seed": seed}
    row["metrics"] = {name: asdict(found[name]) for name in ("elbo", "log_evidence")}
    if hidden == "directions":
        truth = planted_directions.planted(seed).directions[-len(x) :][:ROWS]
        row["correlation"] = correlation(distances(z, space), angle(truth[:, None], truth))
        return row | ({"angle": turned(z, truth)} if z.shape[1] == 3 else {})
    nodes = planted_tree.planted(seed).nodes[-len(x) :][:ROWS]
    apart = planted_tree.distances()
    row["correlation"] = correlation(distances(z, space), apart[nodes][:, nodes])
    clean = codes(fit, planted_tree.codes().to(x), space)
    row["clean"] = correlation(distances(clean, space), apart)
    return row | ({"codes": flat(clean, space).tolist()} if seed == 0 else {})


def flat(z: Tensor, space: Space) -> Tensor:
    """Points for the picture: of the hyperbolic plane those of the Poincare disc."""
    return z[:, 1:] / (1 + z[:, :1]) if space is HYPERBOLIC else z


def digits() -> dict:
    """Codes of test digits on the sphere, with their labels."""
    fit = zoo.fit(
        zoo.load("hyperspherical_vae", latent=3),
        ON_SPHERE.guide,
        steps=DIGITS_STEPS,
        lr=LR,
        seed=0,
    )
    x, y, _ = zoo.load("multimodal_vae", binarize="threshold").split("test")
    z = codes(fit, x, ON_SPHERE)
    return {
        "codes": [[round(v, 4) for v in row] for row in z.tolist()],
        "labels": y.argmax(1).tolist(),
    }


def table(rows: list[dict]) -> str:
    """A line for each space and guide: means over seeds and half the range of the seeds."""
    lines = []
    for key in dict.fromkeys((row["hidden"], row["space"], row["guide"]) for row in rows):
        held = [row for row in rows if (row["hidden"], row["space"], row["guide"]) == key]
        cells = [_spread([row["correlation"] for row in held], 3)]
        cells += [_spread([row[name] for row in held if name in row], n) for name, n in PARTS]
        for name in ("elbo", "log_evidence"):
            cells.append(_spread([row["metrics"][name]["value"] for row in held], 2))
        lines.append([*key, *cells])
    return markdown.table(HEADS, lines)


PARTS = (("clean", 3), ("angle", 1))


def _spread(values: list[float], digits: int) -> str:
    if not values:
        return "-"
    half = (max(values) - min(values)) / 2
    return f"{sum(values) / len(values):.{digits}f} ± {half:.{digits}f}"


def verdict(rows: list[dict]) -> list[str]:
    """On how many seeds the space of what is hidden beats a flat one, by each measure."""
    said = []
    for hidden, (own, *others) in SPACES.items():
        for other in [one for one in others if one.model == "vae"]:
            pairs = [(_of(rows, hidden, own, s), _of(rows, hidden, other, s)) for s in SEEDS]
            ranks = sum(a["correlation"] > b["correlation"] for a, b in pairs)
            scores = sum(_log_p(a) > _log_p(b) for a, b in pairs)
            parts = [f"distances rank better on {ranks}", f"log p(x) is higher on {scores}"]
            if "angle" in pairs[0][1]:
                angles = sum(a["angle"] < b["angle"] for a, b in pairs)
                parts.append(f"the angle after rotation is smaller on {angles}")
            spaces = f"'{own.says}' against '{other.says}'"
            said.append(f"{hidden}, {spaces}: {', '.join(parts)} of {len(SEEDS)} seeds")
    return said


def _log_p(row: dict) -> float:
    return row["metrics"]["log_evidence"]["value"]


def report(rows: list[dict]) -> str:
    """The table, and below it what came out."""
    return "\n".join([table(rows), "", *(f"- {line}." for line in verdict(rows))])


def _of(rows: list[dict], hidden: str, space: Space, seed: int) -> dict:
    wanted = (hidden, space.says, space.guide.__name__, seed)
    return next(r for r in rows if (r["hidden"], r["space"], r["guide"], r["seed"]) == wanted)


@in_style
def picture(record: dict, path: Path) -> None:
    """The digits on both halves of the sphere, and the tree in the disc and in the plane."""
    drawn, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
    z, labels = torch.tensor(record["digits"]["codes"]), record["digits"]["labels"]
    for axis, side, title in zip(axes, (1, -1), ("front", "back"), strict=False):
        _half(axis, z, torch.tensor(labels), side)
        axis.set_title(f"Digits on the sphere, {title}")
    for axis, space in zip(axes[2:], (HYPERBOLIC, PLANE), strict=True):
        row = _of(record["rows"], "tree", space, 0)
        _tree(axis, torch.tensor(row["codes"]))
        axis.set_title(f"Tree, {space.says}: rank {row['clean']:.2f}")
    axes[2].add_patch(plt.Circle((0, 0), 1, fill=False, color=GREY))
    axes[2].set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05))
    for axis in axes:
        axis.set(xticks=[], yticks=[], aspect="equal")
        axis.spines[:].set_visible(False)
    save_figure(drawn, path)


def _half(axis: Axes, z: Tensor, labels: Tensor, side: int) -> None:
    """Half of the sphere from afar, in Lambert's projection, which keeps areas."""
    seen = side * z[:, 2] >= 0
    flat = z[seen, :2] * (1 + side * z[seen, 2:]).rsqrt()
    axis.add_patch(plt.Circle((0, 0), 1, fill=False, color=GREY))
    colours = plt.get_cmap("tab10")
    for (a, b), label in zip(flat.tolist(), labels[seen].tolist(), strict=True):
        axis.text(side * a, b, str(label), color=colours(label), size=7, ha="center", va="center")
    axis.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05))


def _tree(axis: Axes, places: Tensor) -> None:
    """Nodes by their level, joined to their parents."""
    for i in range(1, len(places)):
        axis.plot(*places[[i, (i - 1) // 2]].T, color=GREY, zorder=1, lw=1)
    level = torch.log2(torch.arange(1, len(places) + 1)).floor()
    axis.scatter(*places.T, c=level, cmap="viridis", s=18, zorder=2)
    axis.scatter(*places[:1].T, color="red", marker="*", s=90, zorder=3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=records.RESULTS)
    parser.add_argument("--picture", type=Path, default=records.DOCS / "manifolds.png")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    record = records.made_now(zoo.load("hyperbolic_vae", data="planted_tree").data)
    record |= {"steps": STEPS, "lr": LR, "seeds": SEEDS, "draws": DRAWS, "rows": []}
    for hidden, spaces in SPACES.items():
        for space in spaces:
            for seed in SEEDS:
                record["rows"].append(measure(hidden, space, seed))
                print(table(record["rows"][-1:]).splitlines()[-1], flush=True)
    record["digits"] = digits()
    records.write(asked.out / "manifolds.json", record)
    picture(record, asked.picture)
    print(report(record["rows"]))


if __name__ == "__main__":
    main()
