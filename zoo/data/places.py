"""Where data files are looked for, and the error when they are in none of these places."""

import os
from collections.abc import Iterable
from pathlib import Path

CACHE = Path.home() / ".cache" / "pyro-zoo"


class DataNotFound(ValueError):
    """Data files are in none of the places where they are looked for."""

    def __init__(self, title: str, files: Iterable[str], places: Iterable[Path], way: str) -> None:
        """Name the data set, its files, every place looked at, and the way out.

        Args:
            title: Name of the data set as people write it.
            files: Names of the files looked for.
            places: Folders looked at.
            way: What to do, as a sentence.
        """
        looked = [str(place) for place in places]
        if not os.environ.get("ZOO_DATA"):
            looked.append("the folder in the environment variable ZOO_DATA, which is not set")
        where = "".join(f"\n  {place}" for place in looked)
        super().__init__(
            f"Files of {title} not found. Expected {', '.join(files)} in one of:{where}\n{way}"
        )


def data_folders(*folders: str) -> tuple[Path, ...]:
    """Folders inside the one that the environment variable ZOO_DATA names.

    Args:
        folders: Paths relative to it; "." is the folder itself.

    Returns:
        One path for each, or () where ZOO_DATA is not set.
    """
    root = os.environ.get("ZOO_DATA")
    return tuple(Path(root).expanduser() / folder for folder in folders) if root else ()
