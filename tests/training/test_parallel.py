"""One fit on several processes: the steps of one process, and one voice to the outside."""

import json
import os
import re
import subprocess
import sys

import pyro
import pytest
import ranks
import torch
from pyro.infer import TraceGraph_ELBO
from ranks import state_of, with_given_noise
from small_tasks import ppca_task
from torch import multiprocessing

import zoo
from guides import AmortisedNormal, MeanField

IDENTITY = 1e-10  # relative: the same sums in another order
TOLD = {"RANK": "0", "WORLD_SIZE": "3", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}


def started(work, folder):
    """Runs a function of `ranks` in two processes, to their ends."""
    context = multiprocessing.get_context("spawn")
    several = [context.Process(target=work, args=(rank, folder)) for rank in range(2)]
    for one in several:
        one.start()
    for one in several:
        one.join()
    return [one.exitcode for one in several]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of two ranks found."""
    folder = tmp_path_factory.mktemp("ranks")
    assert started(ranks.train, folder) == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def same(one, other):
    """Are these two states equal, bit by bit?"""
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize(("name", "batch_size"), [("batch", 6), ("all", None)])
def test_two_ranks_take_the_steps_of_one_process(found, name, batch_size):
    """All 21 rows are no even number: one rank takes 11 of them, the other 10."""
    alone = state_of(with_given_noise(batch_size))
    start = state_of(with_given_noise(batch_size))
    for state in (one[name] for one in found):
        assert state.keys() == alone.keys() == start.keys()
        for key in alone:
            if "running" not in key:
                torch.testing.assert_close(state[key], alone[key], rtol=IDENTITY, atol=0.0)
