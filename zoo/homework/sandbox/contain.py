"""How a process is contained: steps that a watcher and the student's process take in turn."""

import os
import resource
import signal
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path

from zoo.homework.sandbox import kernel, landlock, seccomp
from zoo.homework.sandbox.limits import Limits

NOBODY = 65534
NAMESPACES = {
    "user": kernel.CLONE_NEWUSER,
    "processes": kernel.CLONE_NEWPID,
    "network": kernel.CLONE_NEWNET,
    "shared memory": kernel.CLONE_NEWIPC,
    "host name": kernel.CLONE_NEWUTS,
    "mounts": kernel.CLONE_NEWNS,
}
SYSTEM = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/usr/share/fonts")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo", "/etc/fonts")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
OPEN_FILES = 256


def readable_places() -> list[Path]:
    """What a student's process may read: Python, its packages, and the zoo's two packages."""
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    own = Path(__file__).parents[2]
    packages = [own, own.parent / "guides"]
    places = [*map(Path, sorted(paths)), *map(Path, (*SYSTEM, *SYSTEM_FILES, *DEVICES)), *packages]
    return [place.resolve() for place in places if place.exists()]


def as_nobody(*others: Path) -> None:
    """Root becomes a user without rights, for whom the kernel counts processes; others stay.

    What that user has to read and cannot reach, such as Python in root's home, is mounted again
    in a mount namespace of its own.

    Args:
        *others: folders that it has to reach beside the packages.

    Raises:
        OSError: where the kernel refuses.
    """
    if os.geteuid() != 0:
        return
    _open_ways([place for place in (*readable_places(), *others) if place.is_dir()])
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


def _open_ways(places: list[Path]) -> None:
    """Mounts places again whose parent folders are closed to other users."""
    closed: dict[Path, list[Path]] = {}
    for place in places:
        shut = [one for one in reversed(place.parents) if not one.stat().st_mode & 0o001]
        if shut:
            closed.setdefault(shut[0], []).append(place)
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    for parent, inside in closed.items():
        handles = {place: os.open(place, os.O_PATH) for place in inside}
        kernel.mount("tmpfs", str(parent), "tmpfs", kernel.MS_NOSUID, "size=1m,mode=0755")
        for place, handle in handles.items():
            place.mkdir(parents=True, exist_ok=True)
            kernel.mount(f"/proc/self/fd/{handle}", str(place), None, kernel.MS_BIND)
            os.close(handle)


def enter_namespaces(flags: int | None = None) -> None:
    """Moves into new namespaces; the next child is the first process of its own.

    Args:
        flags: which; default: all.

    Raises:
        OSError: where the kernel refuses.
    """
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(sum(NAMESPACES.values()) if flags is None else flags)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def mount_folder(folder: Path, size: int) -> None:
    """Mounts a folder in memory of that many bytes, which only these namespaces see."""
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    options = f"size={size},nr_inodes=4096,mode=0700"
    kernel.mount("tmpfs", str(folder), "tmpfs", flags, options)


def set_limits(limits: Limits) -> None:
    """The limits of this process that the kernel keeps for each process."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    seconds = int(limits.seconds) + 1
    for kind, value in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, taken + limits.memory),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_FSIZE, max(limits.results, limits.disk)),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        _, most = resource.getrlimit(kind)
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(kind, (value, value))


def give_up_rights(folder: Path) -> None:
    """Leaves the student's process its folder, and what can be read by all.

    Args:
        folder: which it may write to.

    Raises:
        OSError: where the kernel cannot contain it.
    """
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    landlock.restrict(readable_places(), [folder, Path("/dev/null")])
    kernel.drop_capabilities()
    seccomp.install()


def die_with_parent() -> None:
    """The kernel kills this process when its parent ends."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


def missing() -> dict[str, str]:
    """What this machine cannot do of what contains a student's code -> why.

    Every step is tried in a process of its own.
    """
    if sys.platform != "linux":
        return {"Linux": f"this is {sys.platform}; run the grader on Linux, e.g. in a container"}
    found = {}
    if error := _tried(as_nobody):
        return {"a user without rights": error}
    for name, flag in NAMESPACES.items():
        error = _tried(lambda flag=flag: enter_namespaces(kernel.CLONE_NEWUSER | flag))
        if error:
            found[f"a namespace of its own: {name}"] = error
    if landlock.version() == 0:
        found["Landlock"] = "the kernel has none; it came with Linux 5.13"
    elif error := _tried(lambda: give_up_rights(Path("/tmp"))):
        found["Landlock and seccomp"] = error
    return found


def _tried(step: object) -> str:
    """The error of a step that is taken in a forked process; "" for none."""
    assert callable(step)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if step is not as_nobody:
                as_nobody()
            step()
        except OSError as error:
            os.write(writing, str(error).encode()[:1000])
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return said or (f"the process ended with status {status}" if status else "")
