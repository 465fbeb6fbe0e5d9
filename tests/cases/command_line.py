"""Commands called in this process: what they print, and the one line of those that fail."""

import sys

import pytest
from typer.testing import CliRunner

from zoo.cli.app import app, main

FEW = ("--steps", "3", "--draws", "20")  # a fit that takes no time


def call(*words):
    """Standard output of a command that succeeds."""
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def homework(*words, fails=False):
    """What a command of homework prints; the message of its error, if it `fails`."""
    ran = CliRunner().invoke(app, ["homework", *map(str, words)])
    if fails:
        assert isinstance(ran.exception, ValueError), ran.output
        return str(ran.exception)
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran.output


def refused(capsys, monkeypatch, *words):
    """The one line that a command which fails prints."""
    monkeypatch.setattr(sys, "argv", ["zoo", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    text = printed.err.strip()
    assert "Traceback" not in text
    assert text.count("\n") == 0
    return text
