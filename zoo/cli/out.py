"""--out, --resume, --force and --log of `zoo fit` and `zoo compare`; what a fit writes."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from zoo.checks.arguments import one_of
from zoo.cli.options import OutOptions
from zoo.files import refuse_occupied, usable_folder, write_whole

if TYPE_CHECKING:
    import zoo
    from zoo.evaluation.evaluate import Metrics


def out_folder(options: OutOptions) -> Path | None:
    """--out, tried before anything else is done; None where nothing is to be written.

    Raises:
        ValueError: for a folder that cannot be written to, and for options that contradict.
    """
    out, resume, force = options.out, options.resume, options.force
    if out is None and (resume or force):
        raise ValueError(f"--{'resume' if resume else 'force'} is about --out. Name its folder.")
    if options.log is not None:
        one_of("--log", options.log, ("tensorboard",))
        if out is None:
            raise ValueError("--log is written to --out. Name its folder: --out runs/logged.")
    if resume and force:
        raise ValueError("--resume goes on from --out and --force replaces it. Pass one of them.")
    return None if out is None else usable_folder(out, "--out")


def cleared(folder: Path, *, resume: bool, force: bool) -> bool:
    """Makes room in --out for a fit: nothing is replaced unasked, and nothing old stays.

    Returns:
        Whether training begins, and does not go on from the fit there.

    Raises:
        ValueError: if the folder holds something that is neither to be replaced nor gone on from.
    """
    from zoo.comparison.folder import OF_A_FIT, WAY_OUT, clear
    from zoo.training.checkpoint import has_fit

    if force:
        clear(folder)
    if resume and has_fit(folder):
        for name in OF_A_FIT:
            (folder / name).unlink(missing_ok=True)
        return False
    refuse_occupied(folder, "--out", WAY_OUT)
    return True


def log_in(folder: Path | None, log: str | None) -> "zoo.TensorBoard | None":
    """The log that --log asks for, in the folder of --out; None where none is asked for.

    Raises:
        ValueError: if its package is not installed.
    """
    if folder is None or log is None:
        return None
    from zoo.comparison.folder import TENSORBOARD
    from zoo.training.tensorboard import TensorBoard

    return TensorBoard(folder / TENSORBOARD)


def say_what_follows(folder: Path | None) -> None:
    """Says on a terminal what is done after training, which may take a minute."""
    if sys.stderr.isatty():
        written = f", then pictures and draws into {folder}" if folder else ""
        Console(stderr=True).print(f"Trained. Scoring{written} ...", style="dim", markup=False)


def write_beside(
    result: "zoo.Fit", found: "Metrics", folder: Path, names: tuple[str, str]
) -> None:
    """Writes metrics, pictures and an ArviZ file beside a saved fit."""
    from zoo.arviz_compat import write_netcdf
    from zoo.comparison.arviz_export import arviz_groups
    from zoo.comparison.pictures import curve_of, image_figure, loss_figure
    from zoo.evaluation.evaluate import metrics_record
    from zoo.figure_style import save_figure

    record = json.dumps(metrics_record(found), indent=2, allow_nan=False)
    write_whole(folder / "metrics.json", record)
    save_figure(loss_figure([curve_of(result, *names)]), folder / "losses.png")
    images = image_figure(result)
    if images is not None:
        save_figure(images, folder / "images.png")
    write_netcdf(arviz_groups(result, found), folder / "arviz.nc")
