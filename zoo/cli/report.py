"""`zoo report`: the page of a comparison, from its folder."""

from pathlib import Path
from typing import Annotated

import typer


def report_command(
    folder: Annotated[Path, typer.Argument(help="Folder that `zoo compare --out` wrote.")],
    to: Annotated[
        Path | None, typer.Option(help="The HTML file; default: report.html in the folder.")
    ] = None,
) -> None:
    """Writes a comparison as one HTML page that stands alone."""
    from zoo.comparison.from_folder import report_on

    typer.echo(f"Written to {report_on(folder, to)}.")
