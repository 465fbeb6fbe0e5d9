"""How the processes that torchrun starts meet: each fit has a process group of its own."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count

import torch
import torch.distributed as dist

from zoo.training.parallel.ranks import ALONE, Ranks

TOLD_BY_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
TIMEOUT = timedelta(minutes=10)  # a rank that waits for longer ends with an error

_STORES = list[dist.Store]()  # where ranks find each other; one lives as long as the process
_NUMBERS = count()  # of the groups made so far: each begins with a store of its own


def rank_count() -> int:
    """Number of processes that train a fit together: 1 without torchrun."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_world_size()
    return int(os.environ["WORLD_SIZE"]) if _is_told() else 1


def is_first_rank() -> bool:
    """Is this process rank 0, or the only one?"""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank() == 0
    return not _is_told() or int(os.environ["RANK"]) == 0


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """The ranks of a fit, which talk by gloo on the CPU and by nccl on CUDA.

    A process group that the caller has made is used as it is; one that is made here ends here.
    Ranks other than 0 do not warn.

    Args:
        device: where to train; of "cuda" each rank of a machine takes one GPU.

    Raises:
        ValueError: if a machine has fewer GPUs than ranks.
    """
    if rank_count() == 1:
        yield ALONE
        return
    place, own = _place(device), not dist.is_initialized()
    if own:
        _meet(place)
    try:
        ranks = Ranks(dist.get_rank(), dist.get_world_size(), place)
        with warnings.catch_warnings():
            if not ranks.first:
                warnings.simplefilter("ignore")
            yield ranks
    finally:
        if own:
            dist.destroy_process_group()


def _is_told() -> bool:
    return all(os.environ.get(name) for name in TOLD_BY_TORCHRUN)


def _place(device: str) -> str:
    """The device of this rank."""
    if device != "cuda":
        return device
    local, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local >= there:
        raise ValueError(
            f"Expected a GPU for each rank of this machine; rank {local} of it finds {there}. "
            "Start as many ranks as GPUs, or pass device='cpu'."
        )
    torch.cuda.set_device(local)
    return f"cuda:{local}"


def _meet(device: str) -> None:
    """Makes a process group.

    Each has keys of its own in one store, for with those of an earlier group it would not meet.
    """
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if not _STORES:
        store, _, _ = next(dist.rendezvous("env://", rank, size, timeout=TIMEOUT))
        _STORES.append(store)
    store = dist.PrefixStore(f"zoo/{next(_NUMBERS)}", _STORES[0])
    backend = "nccl" if torch.device(device).type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=TIMEOUT)
