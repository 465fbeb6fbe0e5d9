"""The state of an earlier fit without its program: what is saved, and what a fit resumes from."""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from zoo.normals.difficulties import Difficulty
from zoo.normals.shortfall import Shortfall
from zoo.results.convergence import Convergence
from zoo.results.result import Fit
from zoo.results.same_code import Densities

Tensors = dict[str, Tensor]


@dataclass
class Earlier:
    """The state of a fit, with the attributes of :class:`zoo.Fit`.

    Attributes:
        steps: the number that the fit was asked to take.
    """

    losses: Tensor
    last: dict = field(repr=False)
    best: Tensors | None
    valid: list[tuple[int, float]]
    seconds: float
    stopped: str
    convergence: Convergence | Shortfall | None
    notes: list[str]
    difficulties: list[Difficulty]
    other_evaluations: int
    backend: str
    steps: int
    densities: dict[str, Densities]

    @property
    def whole(self) -> bool:
        """Did the fit come to its end?"""
        return self.stopped in ("finished", "converged", "early")

    def put_into(self, fit: Fit) -> None:
        """Gives a new fit the state of the earlier one; its program is left as it is."""
        fit.losses, fit.last, fit.best = self.losses, self.last, self.best
        fit.valid, fit.seconds, fit.stopped = list(self.valid), self.seconds, self.stopped
        fit.convergence, fit.backend = self.convergence, self.backend
        fit.notes, fit.other_evaluations = list(self.notes), self.other_evaluations
        fit.difficulties = list(self.difficulties)


def earlier_of(fit: Fit) -> Earlier:
    """The state of a fit in memory."""
    return Earlier(
        losses=fit.losses,
        last=fit.last,
        best=fit.best,
        valid=fit.valid,
        seconds=fit.seconds,
        stopped=fit.stopped,
        convergence=fit.convergence,
        notes=fit.notes,
        difficulties=fit.difficulties,
        other_evaluations=fit.other_evaluations,
        backend=fit.backend,
        steps=fit.settings.steps,
        densities=fit.densities,
    )


def numbers_of(fit: Fit) -> dict[str, Any]:
    """The part of a fit's state that is saved as JSON."""
    return {
        "steps_taken": len(fit.losses),
        "statements": _statements(fit.last),
        "optimizer_groups": fit.last["optimizer"]["param_groups"],
        "stride": fit.last["iterates"][0] if "iterates" in fit.last else None,
        "stage": _stage(fit.last),
        "tail": list(fit.last["tail"][:2]) if "tail" in fit.last else None,
        "valid": fit.valid,
        "seconds": fit.seconds,
        "stopped": fit.stopped,
        "convergence": _as_record(fit.convergence),
        "notes": fit.notes,
        "difficulties": [asdict(one) for one in fit.difficulties],
        "other_evaluations": fit.other_evaluations,
        "backend": fit.backend,
        "densities": fit.densities,
    }


def tensors_of(fit: Fit) -> Tensors:
    """The part of a fit's state that is saved as safetensors, on the CPU."""
    last = fit.last
    tensors = {"losses": fit.losses}
    tensors |= {f"best/{name}": value for name, value in (fit.best or {}).items()}
    tensors |= {f"last/{name}": value for name, value in _of_snapshot(last).items()}
    if "going" in last:
        going = _of_snapshot(last["going"]) | {"step": torch.tensor(last["going"]["step"])}
        tensors |= {f"going/{name}": value for name, value in going.items()}
    if "iterates" in last and last["iterates"][1]:
        tensors["iterates"] = torch.stack(last["iterates"][1])
    if "tail" in last:
        tensors["tail"] = last["tail"][2]
    if last.get("stage", {}).get("before") is not None:
        tensors["stage"] = last["stage"]["before"]
    return {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}


def earlier_from(record: dict, tensors: Tensors) -> Earlier:
    """The state of a fit from its saved record and its saved tensors."""
    groups, going = record["optimizer_groups"], _below("going/", tensors)
    statements = record["statements"]
    last = _snapshot(_below("last/", tensors), groups, record["steps_taken"], statements[0])
    if going:
        last["going"] = _snapshot(going, groups, int(going["step"]), statements[1])
    if record["stride"] is not None:
        last["iterates"] = record["stride"], list(tensors.get("iterates", torch.zeros(0)))
    if record["stage"] is not None:
        last["stage"] = record["stage"] | {"before": tensors.get("stage")}
    if record["tail"] is not None:
        last["tail"] = (*record["tail"], tensors["tail"])
    return Earlier(
        losses=tensors["losses"],
        last=last,
        best=_below("best/", tensors) or None,
        valid=[(step, loss) for step, loss in record["valid"]],
        seconds=record["seconds"],
        stopped=record["stopped"],
        convergence=_from_record(record["convergence"]),
        notes=record["notes"],
        difficulties=[Difficulty(**one) for one in record["difficulties"]],
        other_evaluations=record["other_evaluations"],
        backend=record["backend"],
        steps=record["settings"]["steps"],
        densities=record["densities"],
    )


def _stage(last: dict) -> dict | None:
    """Rate and first step of the stage that a fit is in."""
    return {n: last["stage"][n] for n in ("rate", "begun")} if "stage" in last else None


def _as_record(found: Convergence | Shortfall | None) -> dict | None:
    return None if found is None else {"kind": type(found).__name__, **asdict(found)}


def _from_record(record: dict | None) -> Convergence | Shortfall | None:
    if record is None:
        return None
    values = dict(record)
    kinds = {kind.__name__: kind for kind in (Convergence, Shortfall)}
    return kinds[values.pop("kind")](**values)


def _of_snapshot(snapshot: dict) -> Tensors:
    """The tensors of a trainer's snapshot, by names such as "program/guide.loc"."""
    tensors = {"random": snapshot["random"]}
    tensors |= {f"cuda_random/{i}": state for i, state in enumerate(snapshot["cuda_random"])}
    tensors |= {f"program/{name}": value for name, value in snapshot["program"].items()}
    tensors |= {f"averages/{name}": value for name, value in snapshot["averages"].items()}
    for i, state in snapshot["optimizer"]["state"].items():
        tensors |= {f"optimizer/{i}/{key}": torch.as_tensor(v) for key, v in state.items()}
    return tensors


def _statements(last: dict) -> list[list[str]]:
    """Names of the ``pyro.param`` statements after the last step, and of the state to resume."""
    return [list(last["statements"]), list(last.get("going", last)["statements"])]


def _snapshot(tensors: Tensors, groups: list, step: int, statements: list[str]) -> dict:
    """A trainer's snapshot from its tensors; undoes :func:`_of_snapshot`."""
    state: dict[int, Tensors] = {}
    for name, value in _below("optimizer/", tensors).items():
        i, key = name.split("/", 1)
        state.setdefault(int(i), {})[key] = value
    return {
        "step": step,
        "program": _below("program/", tensors),
        "averages": _below("averages/", tensors),
        "statements": tuple(statements),
        "optimizer": {"state": state, "param_groups": groups},
        "random": tensors["random"],
        "cuda_random": list(_below("cuda_random/", tensors).values()),
    }


def _below(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors whose names begin with the prefix, by the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
