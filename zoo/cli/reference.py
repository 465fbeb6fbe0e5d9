"""`zoo reference`: a reference posterior by long runs of NUTS, on the command line."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from zoo.cli.names import check, check_data

if TYPE_CHECKING:
    from zoo.reference import Reference


def reference_command(
    model: Annotated[str, typer.Argument(help="Name of a model; see `zoo list`.")],
    data: Annotated[str | None, typer.Option(help="Data set; default: the usual.")] = None,
    chains: Annotated[int, typer.Option(min=2, help="Chains, side by side.")] = 4,
    draws: Annotated[int, typer.Option(min=4, help="Draws of each chain.")] = 5000,
    warmup: Annotated[int, typer.Option(min=1, help="Trajectories before.")] = 1000,
    accept: Annotated[float, typer.Option(help="Target acceptance; raise if it diverges.")] = 0.9,
    noncentred: Annotated[
        str | None, typer.Option(help="Comma-separated sites to sample as loc + scale * eta.")
    ] = None,
    logs: Annotated[
        str | None, typer.Option(help="Comma-separated positive sites without a mean or an sd.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of starting points and chains.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="A file NAME.npz, or a folder; default: this one.")
    ] = None,
) -> None:
    """Draws from the posterior, kept only if chains mix, none diverges and tails are light."""
    check("model", model)
    check_data(data)
    from zoo.reference import file_name, sample_reference, save
    from zoo.task import load

    task = load(model, data)
    with Console(stderr=True).status("") as status:
        found = sample_reference(
            task,
            chains=chains,
            draws=draws,
            warmup=warmup,
            accept=accept,
            seed=seed,
            noncentred=_names(noncentred),
            logs=_names(logs),
            shown=status.update,
        )
    path = save(found, path_of(out, file_name(found.model, found.hash)))
    console = Console()
    console.print(reference_table(found))
    console.print(f"Written to {path}.")


def path_of(out: Path | None, name: str) -> Path:
    """Where a reference is written: `out` itself if it ends in .npz, else into that folder."""
    if out is None:
        return Path(name)
    return out if out.suffix == ".npz" else out / name


def _names(given: str | None) -> list[str] | None:
    """The names in a comma-separated option; None where it is not given."""
    return None if given is None else [one for one in given.split(",") if one]


def reference_table(found: "Reference") -> Table:
    """A line for each scalar: its moments with their errors, and how well it has mixed."""
    view = Table(title=f"{found.model} on {found.data}, {found.settings['chains']} chains")
    for heading in ("scalar", "mean", "sd", "R-hat", "bulk ESS", "tail ESS", "k-hat"):
        view.add_column(heading, justify="left" if heading == "scalar" else "right")
    moments = (found.mean, found.mcse_mean, found.sd, found.mcse_sd)
    fields = (*moments, found.r_hat, found.ess_bulk, found.ess_tail, found.k_sd)
    for site in found.mean:
        label = f"log {site}" if site in found.logs else site
        columns = zip(*(one[site].reshape(-1).tolist() for one in fields), strict=True)
        for i, (mean, mean_error, sd, sd_error, r_hat, bulk, tail, k) in enumerate(columns):
            view.add_row(
                f"{label}[{i}]" if found.mean[site].dim() else label,
                f"{mean:.4g} ± {mean_error:.1g}",
                f"{sd:.4g} ± {sd_error:.1g}",
                f"{r_hat:.4f}",
                f"{bulk:.0f}",
                f"{tail:.0f}",
                f"{k:.2f}",
            )
    return view
