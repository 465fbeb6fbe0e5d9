"""What goes to the student's process and comes back: JSON and safetensors, never a pickle."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from zoo.homework.calls import Call, Reply
from zoo.homework.sheets import Part, Test

SAID = 800  # characters of a sentence that comes back
OUTCOMES = ("ok", "wrong", "raised", "not begun", "out of memory")  # that a process may claim
ELEMENTS = 2**22  # in all results of a part


def write_request(folder: Path, part: Part, calls: Sequence[Call]) -> None:
    """Writes request.json and inputs.safetensors.

    Args:
        folder: where.
        part: that is called.
        calls: its inputs: tensors, and what JSON can say.
    """
    tensors, records = dict[str, Tensor](), list[dict[str, Any]]()
    for i, call in enumerate(calls):
        values = {}
        for name, value in call.inputs.items():
            if isinstance(value, Tensor):
                tensors[f"{i}/{name}"] = value.detach().contiguous().clone()
            else:
                values[name] = value
        dtype = str(call.dtype).removeprefix("torch.")
        records.append(
            {"values": values, "names": list(call.inputs), "dtype": dtype, "seed": call.seed}
        )
    request = {"part": asdict(part), "calls": records}
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    (folder / "inputs.safetensors").write_bytes(safetensors.torch.save(tensors))


def read_request(folder: Path) -> tuple[Part, list[Call]]:
    """The part and the calls that `write_request` wrote."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    tensors = safetensors.torch.load((folder / "inputs.safetensors").read_bytes())
    tests = tuple(Test(**one) for one in request["part"]["tests"])
    calls = []
    for i, record in enumerate(request["calls"]):
        given = record["values"]
        inputs = {
            name: given[name] if name in given else tensors[f"{i}/{name}"]
            for name in record["names"]
        }
        calls.append(Call(inputs, getattr(torch, record["dtype"]), record["seed"]))
    return Part(**{**request["part"], "tests": tests}), calls


def encoded(reply: Reply) -> bytes:
    """A reply as safetensors: the results, with the outcome in the file's metadata."""
    tensors = {
        f"{i}/{name}": value.contiguous().clone()
        for i, results in enumerate(reply.results)
        for name, value in results.items()
    }
    said = {"outcome": reply.outcome, "detail": reply.detail[:SAID]}
    return safetensors.torch.save(tensors, metadata={"reply": json.dumps(said)})


def decoded(content: bytes, calls: int) -> Reply:
    """The reply in a file that the student's process wrote, and that may hold anything.

    Args:
        content: of the file.
        calls: how many calls there were.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        said = json.loads(metadata["reply"])
        outcome, detail = said["outcome"], str(said["detail"])
        tensors = safetensors.torch.load(content)
    except Exception:  # whatever a forged file makes the reader raise
        return Reply("wrong", "What the process wrote as results is not a file of safetensors.")
    detail = "".join(c for c in detail[:SAID] if c.isprintable())
    if outcome not in OUTCOMES:
        return Reply("wrong", "The process wrote an outcome that does not exist.")
    if outcome != "ok":
        return Reply(outcome, detail)
    if sum(value.numel() for value in tensors.values()) > ELEMENTS:
        return Reply("wrong", f"The results have more than {ELEMENTS:,} numbers.")
    results: list[dict[str, Tensor]] = [{} for _ in range(calls)]
    for key, value in tensors.items():
        number, _, name = key.partition("/")
        if number.isdecimal() and int(number) < calls and not value.is_complex():
            results[int(number)][name] = value
    if not all(results):
        return Reply("wrong", "There are no results of some of the calls.")
    return Reply("ok", "", results)
