"""Attacks on the machine that grades: each ends in no points for that part, and its reason.

They are written as a student would: a file whose function does the harm when it is called.
"""

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from attacks import LIMITS, PART, RIGHT, SECRET, SHEET, fails, graded

from zoo.homework.answer_key import find_key
from zoo.homework.sandbox.workers import Workers

pytestmark = pytest.mark.usefixtures("others_are_graded", "usual_dtype")


def test_a_crash(workers):
    fails(graded(workers, "import ctypes; ctypes.string_at(0)"), "killed", "SIGSEGV")


def test_an_endless_loop(workers):
    found = graded(workers, "while True: pass")
    fails(found, "timed out")  # by its processor time, or by the clock where others take turns
    assert re.search(r"processor time|ran for more than", found.detail)


def test_a_sleep(workers):
    short = replace(LIMITS, waiting=3.0)
    fails(graded(workers, "import time; time.sleep(1000)", limits=short), "timed out", "3 s")


def test_a_fork_bomb(workers):
    found = graded(workers, "while True: os.fork()")
    assert found.outcome in ("raised", "killed", "timed out")
    assert found.points == 0


def test_many_threads(workers):
    body = """
    import threading, time
    for _ in range(1000): threading.Thread(target=time.sleep, args=(100,)).start()
    """
    fails(graded(workers, body), "raised", "thread")


def test_ten_gigabytes_of_memory(workers):
    found = graded(workers, "return torch.ones(10 * 2**30 // 4), mu")
    assert found.outcome in ("out of memory", "raised")
    assert found.points == 0
    fails(graded(workers, "x = bytearray(10 * 2**30)"), "out of memory")


def test_memory_over_several_processes(workers):
    body = """
    import time
    for _ in range(5):
        if os.fork() == 0:
            x = b"x" * (300 * 2**20)
            time.sleep(100)
    time.sleep(100)
    """
    fails(graded(workers, body), "out of memory", "together")


def test_ten_gigabytes_of_output(workers):
    fails(graded(workers, "while True: print('x' * 10000)"), "killed", "printed")


def test_ten_gigabytes_of_files(workers):
    body = """
    for i in range(100):
        with open(str(i), 'wb') as file: file.write(bytes(100 * 2**20))
    """
    fails(graded(workers, body), "raised", "OSError")


def test_a_full_disk_of_many_small_files(workers):
    fails(graded(workers, "for i in range(100_000): open(str(i), 'w').close()"), "raised", "space")


PLACES = ["..", "../..", "/proc", "/home", "/root", "/tmp", "/etc/passwd", "/etc/shadow", "/var"]


@pytest.mark.parametrize("place", [*PLACES, str(find_key(SHEET).folder)])
def test_reading_elsewhere(workers, place):
    body = f"""
    try: os.listdir({place!r})
    except NotADirectoryError: open({place!r}).read()
    """
    fails(graded(workers, body), "raised", "Error")


def test_reading_another_student(workers, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "homework.py").write_text("RIGHT")
    for folder in (tmp_path, other, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    fails(graded(workers, f"open({str(other / 'homework.py')!r}).read()"), "raised", "Permission")


def test_the_solution_of_the_sheet_cannot_be_imported(workers):
    body = "from zoo.homework.answer_key import find_key; find_key(None)"
    fails(graded(workers, body), "raised")
    path = str(find_key(SHEET).folder / "solution.py")
    fails(graded(workers, f"open({path!r})"), "raised", "Permission")


def test_writing_elsewhere(workers, tmp_path):
    tmp_path.chmod(0o777)
    for folder in list(tmp_path.parents)[:2]:
        folder.chmod(0o755)
    fails(graded(workers, f"open({str(tmp_path / 'x')!r}, 'w')"), "raised", "Permission")
    assert list(tmp_path.iterdir()) == []
    fails(graded(workers, "open('../results', 'wb')"), "raised", "Permission")
    path = str(Path(torch.__file__))
    fails(graded(workers, f"open({path!r}, 'a')"), "raised", "Error")


def test_a_link_to_elsewhere(workers):
    body = "os.symlink('/etc/passwd', 'link'); open('link').read()"
    fails(graded(workers, body), "raised", "Error")


@pytest.mark.parametrize("kind", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"])
def test_the_network(workers, kind):
    fails(graded(workers, f"import socket; socket.socket(socket.{kind})"), "raised", "Error")


@pytest.mark.parametrize(
    "body",
    [
        "os.execv('/bin/sh', ['sh', '-c', 'true'])",
        "import subprocess; subprocess.run(['true'])",
        "import ctypes; assert ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == 0",
        "import ctypes; assert ctypes.CDLL(None).ptrace(16, os.getppid() or 1, 0, 0) == 0",
        "os.setuid(0)",
        "os.memfd_create('x')",
    ],
)
def test_more_rights(workers, body):
    fails(graded(workers, body), "raised")


def test_no_process_of_the_machine_is_seen(workers):
    fails(graded(workers, f"assert os.getpid() != 1; os.kill({os.getpid()}, 0)"), "raised")
    fails(graded(workers, f"os.kill({os.getpid()}, 9)"), "raised", "ProcessLookupError")


def test_threads_and_daemons_left_behind(workers):
    """The fixture sees that none is left."""
    body = f"""
    import threading, time
    threading.Thread(target=time.sleep, args=(1000,)).start()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(1000)
        os._exit(0)
    {RIGHT}
    """
    found = graded(workers, body)
    assert (found.outcome, found.points) == ("ok", PART.points), found.detail


def test_the_secret_is_not_in_the_process(workers):
    """Neither in its environment and arguments nor anywhere in its memory."""
    body = f"""
    import gc
    word = {SECRET[:10]!r} + {SECRET[10:]!r}
    names = [repr(os.environ), repr(sys.argv)]
    names += [o for o in gc.get_objects() if isinstance(o, str)]
    assert any(word in text for text in names)
    """
    fails(graded(workers, body), "raised", "AssertionError")


def test_what_one_student_leaves_is_not_there_for_the_next(workers):
    top = "import builtins; builtins.left = 1; open('left', 'w').close()"
    graded(workers, RIGHT, top)
    fails(graded(workers, "assert not os.path.exists('left'); left"), "raised", "NameError")


def test_a_machine_that_cannot_contain_refuses(monkeypatch):
    monkeypatch.setattr("zoo.homework.sandbox.workers.missing", lambda: {"Landlock": "old"})
    with pytest.raises(ValueError, match=r"cannot contain.*Landlock \(old\).*--unsafe"):
        Workers("")
