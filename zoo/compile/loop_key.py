"""A name for a compiled loop of steps: a hash of all that its code is made from.

The captured step is written out as text, with its constants. What the zoo builds around it follows
from the settings of the update and from the zoo's own source, so that neither a trace nor an
export of the loop is needed to find its code again.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.fx import GraphModule

import zoo.compile
import zoo.compile.scans
import zoo.optim
import zoo.torch_private
from zoo.compile.captured import Captured, constants_of
from zoo.data.fingerprint import fingerprint_of
from zoo.optim.update import Update
from zoo.torch_private import make_fx

Rates = Callable[[Tensor, Tensor], object]


def loop_key(captured: Captured, update: Update, rates: Rates, lr: Tensor) -> str:
    """The name of the loop, 64 hex digits.

    Args:
        captured: one step.
        update: how parameters move.
        rates: the rates of the update, from the number of a step and the learning rate.
        lr: an example of the learning rate, or those of all replicas.
    """
    with torch.no_grad():
        schedule = make_fx(rates)(torch.ones_like(lr.reshape(-1)[0]), lr)
    plain = replace(update, lr=0.0, lr_schedule=None)
    settings = repr((plain, lr.shape, captured.noise, captured.layout))
    digest = hashlib.sha256(settings.encode())
    for graph in (captured.pieces, schedule):
        _add(digest, graph)
    digest.update(_source().encode())
    return digest.hexdigest()


def graph_key(graph: GraphModule) -> str:
    """A name for the code of a graph alone, 64 hex digits."""
    digest = hashlib.sha256()
    _add(digest, graph)
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", graph: GraphModule) -> None:
    text = graph.print_readable(print_output=False, include_stride=True)
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    digest.update("\n".join(lines).encode())
    for value in constants_of(graph):
        digest.update(fingerprint_of(value.detach()).encode())


@cache
def _source() -> str:
    """A hash of the zoo's code that is traced into a loop around the captured step."""
    digest = hashlib.sha256()
    folders = [
        Path(package.__path__[0]) for package in (zoo.compile, zoo.compile.scans, zoo.optim)
    ]
    files = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    for path in [*files, Path(zoo.torch_private.__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
