"""The source archive and the wheel: what is in them, and that the wheel works elsewhere."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import zoo

ROOT = Path(__file__).parents[2]
PACKAGES = ("zoo", "guides")
LEFT_OUT = (".git", "build", "dist", "runs", "*.egg-info", "__pycache__", ".*_cache", ".venv")
OTHERS = re.compile(
    r"(^|[/_])(tests?|benchmarks?|instructors?|grad(er|ing))([/_.]|$)|homework/.*solutions?[/_.]"
)


def run(*words, folder, **environment):
    """What a command prints; it has to succeed."""
    done = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with the source archive, and the wheel that is built from it."""
    source = tmp_path_factory.mktemp("source") / "zoo"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*LEFT_OUT))
    run(sys.executable, "-m", "build", "--outdir", "made", ".", folder=source)
    return source / "made"


def installed_files():
    """Files of the packages: code, and data that is no code."""
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_version_to_cite_is_that_of_the_package():
    text = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (.+)$", text, re.MULTILINE)[1] == zoo.__version__


@pytest.mark.slow
def test_the_wheel_holds_the_packages_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    about = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    assert names - about == installed_files()
    wanted = ("guides/py.typed", "zoo/py.typed", "zoo/catalogue/names.json")
    assert {*wanted, "zoo/comparison/report.html.j2"} <= names
    fits = (f"zoo/pretrained_fits/fits/{name}" for name in zoo.pretrained())
    assert {f"{fit}.{kind}" for fit in fits for kind in ("json", "safetensors")} <= names
    assert any(name.startswith("zoo/reference/") and name.endswith(".npz") for name in names)
    assert not [name for name in names if OTHERS.search(name)]
    assert any(name.endswith("/LICENSE") for name in about)


@pytest.mark.slow
def test_no_solution_of_a_homework_sheet_is_in_the_wheel(built):
    """No line of a solution that students do not get anyway, in any file of the wheel."""
    (wheel,) = built.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    texts = {
        name: archive.read(name).decode()
        for name in archive.namelist()
        if name.startswith("zoo/homework/")
    }
    assert "zoo/homework/ppca/starter.py" in texts
    for path in (ROOT / "instructor").glob("*/solution.py"):
        starter = texts[f"zoo/homework/{path.parent.name}/starter.py"]
        lines = {line.strip() for line in path.read_text().splitlines()}
        telling = [line for line in lines if len(line) > 30 and line not in starter]
        telling = [line for line in telling if not line.startswith(("#", "import", "from"))]
        assert telling
        found = [(name, line) for name in texts for line in telling if line in texts[name]]
        assert found == []


@pytest.mark.slow
def test_the_source_archive_holds_what_the_wheel_is_built_from(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert installed_files() <= names
    assert {"LICENSE", "README.md", "pyproject.toml", "setup.cfg"} <= names


@pytest.mark.slow
def test_the_wheel_compares_guides_in_an_empty_folder(built, tmp_path):
    """The code is the wheel's, the packages that it needs are those that are there."""
    (wheel,) = built.glob("*.whl")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target")
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    run(*pip, str(site), str(wheel), folder=empty)
    say = "import zoo; print(zoo.__file__, zoo.__version__)"
    said = run(sys.executable, "-c", say, folder=empty, PYTHONPATH=str(site)).split()
    assert said == [str(site / "zoo" / "__init__.py"), zoo.__version__]
    asked = ("eight_schools", "--guides", "mean_field", "--seeds", "1", "--steps", "20")
    zoo_command = str(site / "bin" / "zoo")
    run(zoo_command, "compare", *asked, "--out", "runs", folder=empty, PYTHONPATH=str(site))
    assert (empty / "runs" / "results.json").exists()
    assert (empty / "runs" / "report.html").exists()
    words = (
        "evaluate",
        "pretrained:eight_schools",
        "--metrics",
        "elbo",
        "--draws",
        "20",
        "--json",
    )
    again = json.loads(run(zoo_command, *words, folder=empty, PYTHONPATH=str(site)))
    known = zoo.pretrained()["eight_schools"]["scores"]["metrics"]["elbo"]
    now = again["metrics"]["elbo"]
    assert abs(now["value"] - known["value"]) < 5 * math.hypot(now["se"], known["se"])
