"""Calls of the Linux kernel that Python has no function for."""

import ctypes
import os
import platform
from typing import Any

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 1 << 14, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
CAPABILITIES_3 = 0x20080522  # version of the structure that capset takes

_libc = ctypes.CDLL(None, use_errno=True)


def called(name: str, *arguments: Any) -> int:
    """What a function of the C library returns.

    Raises:
        OSError: if it fails.
    """
    found = getattr(_libc, name)(*arguments)
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return found


def system_call(number: int, *arguments: Any) -> int:
    """What a system call returns, by its number.

    Raises:
        OSError: if it fails.
    """
    return called("syscall", ctypes.c_long(number), *arguments)


def prctl(option: int, value: int, pointer: Any = None) -> None:
    """Sets an attribute of this process."""
    zero = ctypes.c_ulong(0)
    called("prctl", option, ctypes.c_ulong(value), pointer or zero, zero, zero)


def unshare(flags: int) -> None:
    """Moves this process into new namespaces."""
    called("unshare", flags)


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mounts a file system."""
    words = [word.encode() if word is not None else None for word in (source, target, kind)]
    called("mount", *words, ctypes.c_ulong(flags), data.encode())


def drop_capabilities() -> None:
    """Gives up all capabilities."""
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_3, 0)
    called("capset", header, (ctypes.c_uint32 * 6)())


def machine() -> str:
    """The processor's architecture, e.g. x86_64."""
    return platform.machine()
