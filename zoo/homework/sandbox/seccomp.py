"""Seccomp: system calls that a student's code has no use for fail.

Namespaces and Landlock already contain files and network; this closes what they leave open:
sockets of other programs on this machine, memory that no limit counts, debugging, new namespaces.

Source: Linux kernel documentation, "Seccomp BPF".
"""

import ctypes
import errno
import struct

from zoo.homework.sandbox.kernel import PR_SET_SECCOMP, machine, prctl

FILTER_MODE = 2
ALLOW, FAIL, KILL = 0x7FFF0000, 0x00050000, 0x80000000
LOAD, JUMP_IF_EQUAL, JUMP_IF_ANY, RETURN = 0x20, 0x15, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in the kernel's record of a call
NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW flag
X32 = 0x40000000  # calls of the x32 ABI have this bit
TOKENS = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CLONE = {"x86_64": 56, "aarch64": 220}
CLONE3 = 435
REFUSED = {  # name -> numbers on x86_64 and aarch64; None where there is none
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "swapon": (167, 224),
    "reboot": (169, 142),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "personality": (135, 92),
    "vmsplice": (278, 75),
}


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, value)


def program(architecture: str) -> bytes:
    """The filter, in the kernel's language for packet filters.

    Args:
        architecture: a name of `TOKENS`.
    """
    fail, absent = FAIL | errno.EPERM, FAIL | errno.ENOSYS
    column = list(TOKENS).index(architecture)
    steps = [
        _step(LOAD, ARCHITECTURE),
        _step(JUMP_IF_EQUAL, TOKENS[architecture], 1, 0),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER),
    ]
    if architecture == "x86_64":
        steps += [_step(JUMP_IF_ANY, X32, 0, 1), _step(RETURN, fail)]
    for numbers in REFUSED.values():
        steps += [_step(JUMP_IF_EQUAL, numbers[column], 0, 1), _step(RETURN, fail)]
    steps += [  # clone3 hides its flags; the C library then takes clone
        _step(JUMP_IF_EQUAL, CLONE3, 0, 1),
        _step(RETURN, absent),
        _step(JUMP_IF_EQUAL, CLONE[architecture], 0, 3),
        _step(LOAD, FIRST_ARGUMENT),
        _step(JUMP_IF_ANY, NEW_NAMESPACES, 0, 1),
        _step(RETURN, fail),
        _step(RETURN, ALLOW),
    ]
    return b"".join(steps)


def install() -> None:
    """Filters the system calls of this process and of all that it will start, for good.

    Raises:
        OSError: on another architecture, or where the kernel refuses.
    """
    if machine() not in TOKENS:
        raise OSError(errno.ENOSYS, f"no seccomp filter for {machine()}")
    code = program(machine())
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))

    filled = Program(len(code) // 8, ctypes.addressof(buffer))
    prctl(PR_SET_SECCOMP, FILTER_MODE, ctypes.byref(filled))
