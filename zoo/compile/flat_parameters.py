"""All parameters of a program in one vector, which a single update moves."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.optim.natural import Places
from zoo.optim.turns import Turn
from zoo.program import Program


@dataclass(frozen=True)
class FlatParameters:
    """Where each trained parameter lies in the vector, and which other tensors there are.

    Attributes:
        names: of the trained parameters, in the order of the vector.
        shapes: of the trained parameters.
        held: names of all other tensors of the program: buffers, which a step may change, and
            parameters that are not trained.
        turns: when each parameter moves; () where all move at every step.
        normals: which of the parameters are means and scales of normals.
    """

    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]
    held: tuple[str, ...]
    turns: tuple[Turn, ...] = ()
    normals: tuple[Places, ...] = ()

    def split(self, flat: Tensor) -> dict[str, Tensor]:
        """The vector's parts by name, shaped as the parameters; replicas come first, if any."""
        parts = flat.split([shape.numel() for shape in self.shapes], dim=-1)
        named = zip(self.names, parts, self.shapes, strict=True)
        return {name: part.reshape((*flat.shape[:-1], *shape)) for name, part, shape in named}

    def read(self, program: Program) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Copies of the trained parameters as one vector, and of the held tensors."""
        tensors = all_tensors(program)
        flat = torch.cat([tensors[name].detach().reshape(-1) for name in self.names])
        return flat, tuple(tensors[name].detach().clone() for name in self.held)

    @torch.no_grad()
    def write(self, program: Program, flat: Tensor, held: Sequence[Tensor]) -> None:
        """Copies a vector of parameters and held tensors into a program."""
        tensors = all_tensors(program)
        for name, part in self.split(flat).items():
            tensors[name].copy_(part)
        self.write_held(program, held)

    @torch.no_grad()
    def write_held(self, program: Program, held: Sequence[Tensor]) -> None:
        """Copies the held tensors into a program."""
        tensors = all_tensors(program) if held else {}
        for name, value in zip(self.held, held, strict=True):
            tensors[name].copy_(value)


def all_tensors(program: Program) -> dict[str, Tensor]:
    """The parameters and buffers of a program by name, not copied."""
    return dict(program.named_parameters()) | dict(program.named_buffers())


def flat_parameters_of(program: Program, parameters: Sequence[nn.Parameter]) -> FlatParameters:
    """The layout of a program in which these parameters are trained."""
    moving = {id(parameter) for parameter in parameters}
    tensors = all_tensors(program)
    named = {name: value for name, value in tensors.items() if id(value) in moving}
    return FlatParameters(
        names=tuple(named),
        shapes=tuple(value.shape for value in named.values()),
        held=tuple(name for name in tensors if name not in named),
        turns=program.turns([tensors[name] for name in named]),  # type: ignore[misc]
        normals=program.places_of_normals([tensors[name] for name in named]),  # type: ignore[misc]
    )
