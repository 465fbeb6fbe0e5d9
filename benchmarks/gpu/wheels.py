"""The wheels that a machine without a network needs beside its torch, in one folder.

    python -m benchmarks.gpu.wheels --out wheels --python 3.12      # where there is a network
    python -m pip install --no-index --find-links wheels -r wheels/requirements.txt    # there
    PYTHONPATH=. python -m benchmarks.gpu --out runs/gpu                               # there

What the zoo requires is resolved for that Python, which has to be here too, with empty packages in
the place of torch and torchvision, and the pure-Python wheels of it are downloaded. Left out are
compiled packages (numpy, scipy and so on): where torch is used for work on a GPU they are usually
there; the script names them, to be checked.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import zipfile
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
THERE = ("torch", "torchvision")
PURE = "-none-any.whl"


def requirements() -> list[str]:
    """What setup.cfg says the zoo requires."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].split("\n")
    return [line for line in lines if line.strip()]


def interpreter(python: str) -> str:
    """The Python that resolves: pip can do so for its own version only.

    Raises:
        ValueError: if there is none.
    """
    found = shutil.which(python) or shutil.which(f"python{python}")
    if found is None:
        raise ValueError(
            f"Expected --python to be a version whose command is on the path, or the path of a "
            f"Python; got '{python}', and there is no python{python}. Install that version."
        )
    return found


def pip(python: str, *arguments: str) -> None:
    """Runs pip, without the versions that a file of this machine's settings may hold it to."""
    unheld = os.environ | {"PIP_CONSTRAINT": os.devnull}
    command = [interpreter(python), "-m", "pip", *arguments]
    subprocess.run(command, check=True, env=unheld)  # noqa: S603


def empty_wheel(name: str, folder: Path) -> None:
    """Writes a package of that name and no content, newer than any."""
    about = f"{name}-9999.dist-info"
    with zipfile.ZipFile(folder / f"{name}-9999-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 9999\n"
        )
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


def resolved(python: str) -> list[dict]:
    """Every package that would be installed beside torch: pip's report, nothing is installed."""
    with tempfile.TemporaryDirectory() as folder:
        for name in THERE:
            empty_wheel(name, Path(folder))
        report = Path(folder) / "report.json"
        options = [
            "--dry-run",
            "--only-binary=:all:",
            "--ignore-installed",
            "--quiet",
            "--target",
            folder,
        ]
        options += ["--find-links", folder, "--report", str(report)]
        pip(python, "install", *options, *requirements())
        found = json.loads(report.read_text())["install"]
    return [one for one in found if one["metadata"]["name"] not in THERE]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("wheels"))
    parser.add_argument("--python", default="3.12", help="version there, or its path")
    asked = parser.parse_args()
    others = resolved(asked.python)
    pure = [one for one in others if one["download_info"]["url"].endswith(PURE)]
    compiled = sorted(one["metadata"]["name"] for one in others if one not in pure)
    asked.out.mkdir(parents=True, exist_ok=True)
    pins = [f"{one['metadata']['name']}=={one['metadata']['version']}" for one in pure]
    pip(asked.python, "download", "--quiet", "--no-deps", "--dest", str(asked.out), *pins)
    (asked.out / "requirements.txt").write_text("\n".join(requirements()) + "\n")
    size = sum(path.stat().st_size for path in asked.out.iterdir()) / 2**20
    print(f"{len(pure)} wheels in {asked.out}, {size:.1f} MiB: {', '.join(sorted(pins))}")
    print(f"Has to be there: torch, torchvision, {', '.join(compiled)}.")


if __name__ == "__main__":
    main()
