"""docs/gallery.md: every autoencoder with its equation, picture, table and command.

    python benchmarks/vaes.py                # and hierarchical, collapse, multimodal, temperature
    python benchmarks/gallery.py

Tables come from the committed results; a section whose results are missing says which command
makes them.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import vaes_gaps
import vaes_ladder
import vaes_priors
import vaes_published

HERE = Path(__file__).parent
RESULTS, DOCS = HERE / "results", HERE.parent / "docs"


@dataclass(frozen=True)
class Section:
    """One system of the gallery.

    Attributes:
        title: of the section.
        equation: what is drawn from what.
        text: what to see, in a few lines.
        commands: what a reader runs.
        picture: a file of docs/, or none.
        result: a file of benchmarks/results/, or none.
        table: that record -> Markdown.
    """

    title: str
    equation: str
    text: str
    commands: tuple[str, ...]
    picture: str = ""
    result: str = ""
    table: Callable[[dict], str] = lambda record: ""


def rows_of(module: object) -> Callable[[dict], str]:
    return lambda record: module.table(record["rows"])  # type: ignore[attr-defined]


def lines(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    """A Markdown table."""
    whole = [list(heads), ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in whole)


def hierarchy(record: dict) -> str:
    """Groups of latents against bounds, seed by seed."""
    rows = [
        [
            str(run["levels"]),
            str(run["seed"]),
            *(f"{run['figures'][name][0]:.2f} ± {run['figures'][name][1]:.2f}" for name in NAMES),
            ", ".join(f"{site} {kl[0]:.1f}" for site, kl in run["kl"].items()),
        ]
        for run in record["runs"]
    ]
    return lines(("L", "seed", "ELBO", "log p(x)", "k-hat", "KL of each group, nats/row"), rows)


def collapse(record: dict) -> str:
    """Receptive field and remedy against what z holds."""
    rows = [
        [str(row["receptive_field"]), row["remedy"], str(row["seed"])]
        + [
            f"{row['figures'][name]['value']:.2f} ± {row['figures'][name]['se']:.2f}"
            for name in HELD
        ]
        for row in record["rows"]
    ]
    return lines(("receptive field", "remedy", "seed", "KL", "I(x; z)", "ELBO", "log p(x)"), rows)


def modalities(record: dict) -> str:
    """Every figure of both pairs of modalities."""
    rows = [
        [pair, name, f"{value['value']:.3f} ± {value['se']:.3f} {value['unit']}"]
        for pair, figures in record["figures"].items()
        for name, value in figures.items()
    ]
    return lines(("data", "figure", "value"), rows)


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


NAMES = ("elbo", "log_evidence", "k_hat")
HELD = ("kl", "mutual_information", "elbo", "log_evidence")
SECTIONS = (
    Section(
        "Bernoulli VAE, rung by rung",
        "z ~ N(0, I),   x_j ~ Bernoulli(f(z)_j)",
        "The same steps of the same batches on digits; one thing changes from rung to rung. The "
        "gap is log p(x) - ELBO; it splits into what the family cannot express and what the "
        "shared encoder loses.",
        ("zoo fit vae --guide amortised_iaf --prior vamp", "python benchmarks/vaes.py ladder"),
        "ladder.png",
        "vaes/ladder.json",
        rows_of(vaes_ladder),
    ),
    Section(
        "Amortised against per-datum inference",
        "q(z_n) = N(m_n, s_n^2), free for each row;   q(z | x_n) = N(m(x_n), s(x_n)^2), shared",
        "The model is held; guides are fitted to it. What is left above the per-datum line is the "
        "amortisation gap, the line itself what a diagonal normal cannot express.",
        ("zoo picture amortisation",),
        "amortisation.png",
    ),
    Section(
        "Four data points: what a flow can do",
        "u_0 ~ N(m(x), s(x)^2),   u_t = g_t u_{t-1} + (1 - g_t) m_t(u_{<}, x)",
        "Each of four patterns wants a quarter of the prior. A diagonal normal covers it with a "
        "ball; the flow bends towards the pie piece. Seeds reach different optima of the model.",
        ("zoo picture four_points",),
        "four_points.png",
    ),
    Section(
        "Priors",
        "z ~ r(z): mixture, VampPrior, RealNVP, MAF, autoregressive",
        "One decoder, one number of steps; the prior alone is changed. The last column is the "
        "gain over N(0, I) in log p(x), with the spread over seeds.",
        ("zoo fit vae --prior maf", "python benchmarks/vaes.py priors"),
        "",
        "vaes/priors.json",
        rows_of(vaes_priors),
    ),
    Section(
        "Hierarchical VAE",
        "z_L ~ p,   z_l ~ N(m_l(h_{l+1}), s_l(h_{l+1})^2),   h_l = h_{l+1} + r_l(h_{l+1}, z_l)",
        "A second group gains on Fashion-MNIST; in these short runs a third is hardly used, as "
        "its KL says. log p(x) is rough where k-hat is near 1.",
        ("zoo fit hvae --groups 8,16 --prior vamp", "python benchmarks/hierarchical.py"),
        "hvae.png",
        "hierarchical.json",
        hierarchy,
    ),
    Section(
        "PixelVAE: posterior collapse and its remedies",
        "p(x | z) = prod_i p(x_i | x_<i, z)",
        "The more of the row the decoder sees, the less it needs z. Warm-up and free bits bring "
        "the latents back and gain log p(x) here; hiding context brings them back at a cost.",
        ("zoo fit vae --decoder pixel", "python benchmarks/collapse.py"),
        "collapse.png",
        "collapse.json",
        collapse,
    ),
    Section(
        "Multimodal VAE",
        "q(z | x, y) ~ N(0, I) q(z | x) q(z | y)",
        "One code for a picture and its label, or for two halves; either may be missing. One "
        "diagonal normal is a poor q(z | y): many pictures made from a label are not that label.",
        ("zoo fit multimodal_vae --data digits_labels", "python benchmarks/multimodal.py"),
        "multimodal.png",
        "multimodal.json",
        modalities,
    ),
    Section(
        "Categorical VAE: temperature",
        "z = softmax((log pi + g) / tau)",
        "Against the enumerated gradient: bias falls and variance rises as tau goes to 0.",
        ("zoo fit categorical_vae --guide straight_through", "python benchmarks/temperature.py"),
        "temperature.png",
        "temperature.json",
        temperatures,
    ),
    Section(
        "Beside published numbers",
        "dynamic Fashion-MNIST and statically binarized MNIST",
        "Runs shorter than the published ones say nothing about the number; the claims below the "
        "table are differences between rows of the same length.",
        ("python benchmarks/vaes.py published --share 0.1",),
        "",
        "vaes/published.json",
        rows_of(vaes_published),
    ),
    Section(
        "Gaps under two decoders",
        "log p(x) - max_q L[q]  +  max_q L[q] - L[q(. | x)]",
        "Threshold Fashion-MNIST; a diagonal and a flow are fitted to single rows under decoders "
        "trained with either.",
        ("python benchmarks/vaes.py gaps",),
        "",
        "vaes/gaps.json",
        rows_of(vaes_gaps),
    ),
)


def page() -> str:
    parts = [
        "# Gallery",
        "",
        "Variational autoencoders of the zoo, each put together from parts: a prior, a decoder, a "
        "likelihood and a guide. Written by `python benchmarks/gallery.py` from the committed "
        "results.",
    ]
    for section in SECTIONS:
        parts += ["", f"## {section.title}", "", f"    {section.equation}", "", section.text, ""]
        parts += ["```sh", *section.commands, "```"]
        if section.picture:
            parts += ["", f"![{section.title}]({section.picture})"]
        if section.result:
            parts += ["", table_of(section)]
    return "\n".join(parts) + "\n"


def table_of(section: Section) -> str:
    path = RESULTS / section.result
    if not path.exists():
        return f"No results yet: run `{section.commands[-1]}`."
    record = json.loads(path.read_text())
    made = record.get("provenance", record)
    words = [made.get("date"), f"torch {made['versions']['torch']}", f"`{made['command']}`"]
    return f"{section.table(record)}\n\nMade {', '.join(word for word in words if word)}."


def main() -> None:
    ladder = RESULTS / "vaes" / "ladder.png"
    if ladder.exists():
        shutil.copy(ladder, DOCS / "ladder.png")
    (DOCS / "gallery.md").write_text(page())


if __name__ == "__main__":
    main()
