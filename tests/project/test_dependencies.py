"""What the packages import is what setup.cfg declares, no more and no less."""

import ast
import re
import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = {"zoo", "guides"}
ENGINES = {"h5netcdf", "h5py"}  # xarray looks for them by name when ArviZ writes or reads NetCDF
DISTRIBUTION = {"arviz_stats": "arviz-stats"}  # of Python 3.12 on: not installed on 3.11


def imported():
    """Names of the top-level modules that the packages import, wherever in a file."""
    found = set()
    for package in OWN:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
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
    assert needed | ENGINES == declared()


def test_every_file_of_data_is_installed():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    patterns = dict(config["options.package_data"])
    for package in OWN:
        for path in (ROOT / package).rglob("*.*"):
            folder = ".".join(path.parent.relative_to(ROOT).parts)
            kinds = f"{patterns['*']} {patterns.get(folder, '')}".replace(",", " ").split()
            code = path.suffix == ".py" or "__pycache__" in path.parts
            assert code or any(path.match(kind) for kind in kinds), path


def test_the_package_is_imported_without_the_heavy_ones():
    """Each takes from half a second to three, and is imported where it is used."""
    heavy = ("torch._dynamo", "torch._inductor", "torchvision", "sklearn", "scipy.stats", "arviz")
    take = "import sys, zoo.cli.app; [getattr(zoo, name) for name in zoo.__all__]"
    look = f"{take}; print([m for m in {heavy} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
