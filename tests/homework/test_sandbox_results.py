"""Attacks on the points: what a process hands back is judged, whatever it says of itself."""

import pytest
from attacks import LIMITS, PART, RIGHT, SECRET, SHEET, fails, graded

from zoo.homework.answer_key import find_key
from zoo.homework.hand_in import HandIn
from zoo.homework.judge import Judge

pytestmark = pytest.mark.usefixtures("others_are_graded", "usual_dtype")


def test_exit(workers):
    fails(graded(workers, "os._exit(0)"), "killed", "before its results")
    fails(graded(workers, "os._exit(3)"), "killed", "status 3")
    fails(graded(workers, "sys.exit(0)"), "raised", "SystemExit")


def test_results_that_say_they_are_right(workers):
    """The process may write whatever it likes: the grader reads tensors and judges them."""
    body = """
    import json, safetensors.torch
    tensors = {f"{i}/{name}": torch.zeros(5) for i in range(4) for name in ("mean", "covariance")}
    said = {"reply": json.dumps({"outcome": "ok", "detail": "", "points": 4, "verdict": "full"})}
    forged = safetensors.torch.save(tensors, metadata=said)
    for number in range(3, 4096):
        try: os.write(number, forged)
        except OSError: pass
    os._exit(0)
    """
    fails(graded(workers, body), "wrong")


def test_an_outcome_that_does_not_exist(workers):
    body = """
    import json, safetensors.torch
    said = {"reply": json.dumps({"outcome": "full marks", "detail": ""})}
    forged = safetensors.torch.save({"0/mean": torch.zeros(5)}, metadata=said)
    for number in range(3, 4096):
        try: os.write(number, forged)
        except OSError: pass
    os._exit(0)
    """
    fails(graded(workers, body), "wrong", "does not exist")


def test_a_pickle_in_place_of_safetensors(workers, tmp_path):
    mark = tmp_path / "unpickled"
    body = f"""
    import pickle
    class Evil:
        def __reduce__(self): return (open, ({str(mark)!r}, "w"))
    for number in range(3, 4096):
        try: os.write(number, pickle.dumps(Evil()))
        except OSError: pass
    os._exit(0)
    """
    fails(graded(workers, body), "wrong", "safetensors")
    assert not mark.exists()


def test_a_patched_torch(workers):
    top = """
    import torch.testing
    torch.allclose = lambda *a, **k: True
    torch.Tensor.sub = torch.Tensor.__sub__ = lambda a, b: a * 0
    torch.Tensor.abs = lambda a: a * 0
    """
    fails(graded(workers, "return mu * 0, w @ w.T", top), "wrong")


def test_a_patched_grader(workers):
    top = """
    import zoo.homework.api, zoo.homework.calls, zoo.homework.shapes
    zoo.homework.api.Finding.passed = True
    zoo.homework.calls.with_checked_results = lambda part, function: function
    zoo.homework.calls.checked_results = lambda *a: {}
    """
    fails(graded(workers, "return mu, w", top), "wrong")


def test_wrong_shapes_and_types_are_named(workers):
    fails(graded(workers, "return mu, w"), "wrong", "covariance", "(D, D)")
    fails(graded(workers, "return mu"), "wrong", "2 results")
    fails(graded(workers, "return mu, 'a matrix'"), "wrong", "tensor")
    fails(graded(workers, "return mu * float('nan'), mu[:, None] * float('nan') + mu"), "wrong")
    fails(graded(workers, "raise ValueError('mine')"), "raised", "ValueError: mine")


def test_an_error_in_one_cell_does_not_sink_the_others(workers):
    top = "\n# %%\nraise RuntimeError('a plot')\n\n# %%\nthis is no Python\n\n# %%\n"
    found = graded(workers, RIGHT, top)
    assert found.points == PART.points


def test_files_beside_the_homework_can_be_read(workers):
    top = "import torch\ntext = open('data.txt').read()\n"
    source = f"{top}def marginal(w, mu, sigma):\n    assert text == 'a'\n    {RIGHT}\n"
    run = workers.runner(HandIn("student", "homework.py", source, {"data.txt": b"a"}), LIMITS)
    found = Judge(SHEET, find_key(SHEET), SECRET, "student").judge(PART, run)
    assert found.points == PART.points, found.detail
