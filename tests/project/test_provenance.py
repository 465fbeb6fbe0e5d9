"""What a result says of its origin: a command that can be run again, and the right commit."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import zoo.provenance
from zoo.provenance import command, commit

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("start", ["/venv/bin/zoo", "zoo.exe", str(ROOT / "zoo" / "__main__.py")])
def test_the_command_line_is_named_as_one_types_it(start, monkeypatch):
    monkeypatch.setattr(sys, "argv", [start, "fit", "vae", "--out", "my runs"])
    assert command() == "zoo fit vae --out 'my runs'"


@pytest.mark.thorough
def test_a_script_is_named_with_its_path_and_its_quotes(tmp_path):
    script = tmp_path / "my script.py"
    script.write_text("from zoo.provenance import command; print(command())")
    asked = [str(script), "--only", "static, 128 latents", "--text", "it's"]
    told = printed([sys.executable, *asked])
    assert shlex.split(told) == ["python", *asked]


@pytest.mark.thorough
def test_a_line_of_code_is_repeated():
    code = "from zoo.provenance import command; print(command())"
    assert shlex.split(printed([sys.executable, "-c", code])) == ["python", "-c", code]


def printed(line, cwd=None):
    paths = {"PYTHONPATH": str(ROOT)}
    return subprocess.check_output(line, text=True, env=os.environ | paths, cwd=cwd).strip()


def git(folder, *words):
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.check_output(["git", *who, *words], cwd=folder, text=True).strip()


@pytest.fixture
def repository(tmp_path):
    """A repository with one commit."""
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "one")
    return tmp_path


def test_the_commit_is_that_of_the_checkout_of_the_package(repository, monkeypatch):
    package = repository / "zoo"
    package.mkdir()
    monkeypatch.setattr("zoo.provenance.PACKAGE", package)
    assert commit() == git(repository, "rev-parse", "HEAD")


def test_a_repository_that_holds_the_environment_is_not_the_packages(repository, monkeypatch):
    installed = repository / ".venv" / "lib" / "site-packages" / "zoo"
    installed.mkdir(parents=True)
    monkeypatch.setattr("zoo.provenance.PACKAGE", installed)
    assert commit() is None


def test_a_repository_that_one_stands_in_does_not_count(repository, monkeypatch):
    monkeypatch.chdir(repository)
    assert commit() != git(repository, "rev-parse", "HEAD")


def test_no_repository_and_no_git_are_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.provenance.PACKAGE", tmp_path)
    assert commit() is None
    monkeypatch.setenv("PATH", "")
    assert commit() is None


def test_a_record_keeps_all_of_it():
    found = json.loads(json.dumps(zoo.provenance.provenance(zoo.load("eight_schools").data)))
    assert found["command"] == command()
    assert found["commit"] == commit()
    assert found["versions"]["pyro-zoo"] == zoo.__version__
    assert found["data"]["name"] == "eight_schools"
