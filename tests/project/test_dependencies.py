"""What the packages import is what setup.cfg declares, no more and no less."""

import ast
import re
import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = {"zoo", "guides"}
ENGINES = {"h5netcdf", "h5py"}  # xarray looks for them by name when ArviZ writes or reads NetCDF
DISTRIBUTION = {  # of modules that are not always installed
    "arviz_stats": "arviz-stats",  # of Python 3.12 on
    "dask": "dask",
    "distributed": "dask",  # comes with dask[distributed]
    "ray": "ray",
}
OPTIONAL = {"dask", "ray"}  # imported where they are asked for; each has an extra of its name


def imported(*, at_the_top=False):
    """Names of the modules that the packages import, wherever in a file or at its top."""
    found = set()
    for package in OWN:
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text())
            for node in tree.body if at_the_top else ast.walk(tree):
                if isinstance(node, ast.Import):
                    found |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    found.add(node.module.split(".")[0])
    return found - OWN - set(sys.stdlib_module_names)


def declared():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].split("\n")
    return {normal(re.match(r"[\w.-]+", line).group()) for line in lines if line.strip()}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_import_is_declared_and_every_declaration_is_used():
    known = packages_distributions()
    needed = {normal(DISTRIBUTION.get(name) or known[name][0]) for name in imported()}
    assert needed - OPTIONAL | ENGINES == declared()


@pytest.mark.parametrize("name", sorted(OPTIONAL | {"tensorboard"}))  # torch imports that one
def test_what_only_some_uses_need_is_an_extra(name):
    """And it is not imported before it is asked for."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    extra = config["options.extras_require"][name].strip()
    assert re.match(r"[\w.-]+", extra).group() == name
    assert name not in imported(at_the_top=True)


def test_every_file_of_data_is_installed():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    patterns = dict(config["options.package_data"])
    for package in OWN:
        for path in (ROOT / package).rglob("*.*"):
            folder = ".".join(path.parent.relative_to(ROOT).parts)
            above = folder.rpartition(".")[0]  # the folder of a sheet is data of zoo.homework
            named = (patterns.get(name, "") for name in ("*", folder, above))
            kinds = " ".join(named).replace(",", " ").split()
            code = path.suffix == ".py" or "__pycache__" in path.parts
            assert code or any(path.match(kind) for kind in kinds), path


def test_the_package_is_imported_without_the_heavy_ones():
    """Each takes from half a second to three, and is imported where it is used."""
    heavy = ("torch._dynamo", "torch._inductor", "torchvision", "sklearn", "scipy.stats", "arviz")
    take = "import sys, zoo.cli.app; [getattr(zoo, name) for name in zoo.__all__]"
    look = f"{take}; print([m for m in {heavy} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
