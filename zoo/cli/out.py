"""--out, --resume and --force of `zoo fit` and `zoo compare`."""

from pathlib import Path

from zoo.cli.options import OutOptions
from zoo.files import refuse_occupied, usable_folder


def out_folder(options: OutOptions) -> Path | None:
    """--out, tried before anything else is done; None where nothing is to be written.

    Raises:
        ValueError: for a folder that cannot be written to, and for options that contradict.
    """
    out, resume, force = options.out, options.resume, options.force
    if out is None and (resume or force):
        raise ValueError(f"--{'resume' if resume else 'force'} is about --out. Name its folder.")
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
