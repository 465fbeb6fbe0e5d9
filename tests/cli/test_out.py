"""What `zoo fit` says while it scores and writes."""

import sys
from pathlib import Path

import pytest

from zoo.cli.out import say_what_follows


@pytest.mark.parametrize("terminal", [True, False])
def test_only_a_terminal_is_told_what_follows_training(monkeypatch, capsys, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    say_what_follows(Path("runs"))
    said = capsys.readouterr().err
    assert ("pictures and draws into runs" in said) == terminal
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    say_what_follows(None)
    assert "pictures" not in capsys.readouterr().err
