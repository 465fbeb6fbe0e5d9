"""Seeded random streams that leave the global generator alone."""

import hashlib

import torch


def stream(seed: int, purpose: str) -> torch.Generator:
    """Random generator of its own for one purpose.

    Streams of one seed are unrelated across purposes: the permutation that splits the rows
    says nothing about the bits drawn for them.

    Args:
        seed: Any integer.
        purpose: What the draws are for, such as "split".

    Returns:
        A CPU generator, the same for the same arguments.
    """
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))
