"""A captured step: a function of tensors without side effects."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fx import GraphModule

from zoo.compile.flat_parameters import FlatParameters
from zoo.compile.noise import Spec


@dataclass(frozen=True)
class Captured:
    """A captured step: a function of tensors without side effects.

    Attributes:
        pieces: the program ``pieces(parts, held, step, picked, noise, args)``; it takes the
            parameters, and returns their gradients, as tuples of tensors.
        layout: where each parameter lies in the vector of all of them.
        noise: the noise that it takes, in order.
    """

    pieces: GraphModule
    layout: FlatParameters
    noise: tuple[Spec, ...]

    def graph(
        self,
        flat: Tensor,
        held: tuple[Tensor, ...],
        step: Tensor,
        picked: Tensor,
        noise: tuple[Tensor, ...],
        args: tuple,
    ) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        """Loss, gradient and other tensors after one step; all parameters are in one vector.

        Args:
            flat: all trained parameters, shape (size,).
            held: the program's other tensors: buffers, and parameters that are not trained.
            step: number of the step, shape ().
            picked: row numbers, shape (batch,); empty where all rows are used.
            noise: one tensor for each of :attr:`noise`.
            args: the training arguments, all rows.

        Returns:
            Loss in nats, shape (); gradient, shape (size,); held tensors after the step.
        """
        parts = tuple(self.layout.split(flat).values())
        loss, gradients, held = self.pieces(parts, held, step, picked, noise, args)
        return loss, torch.cat([gradient.reshape(-1) for gradient in gradients]), held


def constants_of(graph: GraphModule) -> list[Tensor]:
    """The tensors that a graph holds, which are no inputs of it."""
    return [
        value
        for module in graph.modules()
        for value in [*vars(module).values(), *module._buffers.values()]
        if isinstance(value, Tensor)
    ]
