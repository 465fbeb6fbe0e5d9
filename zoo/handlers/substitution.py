"""A module run with other tensors in the place of its own.

``functional_call`` goes by names. Where one module stands under two names it puts the second back
as the first left it, and the module keeps a tensor that is not its own. Here every place that
holds a tensor is named once, and a tensor that lies in several places is replaced in all of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.func import functional_call


def places(module: nn.Module) -> dict[str, str]:
    """Path of each place that holds a tensor -> the name of that tensor, its first path."""
    named = {id(tensor): name for name, tensor in module.named_buffers()}
    named |= {id(tensor): name for name, tensor in module.named_parameters()}
    return {
        f"{prefix}.{own}" if prefix else own: named[id(tensor)]
        for prefix, part in module.named_modules()
        for own, tensor in [*part._parameters.items(), *part._buffers.items()]
        if tensor is not None
    }


def call_with(
    module: nn.Module, tensors: dict[str, Tensor], args: tuple, kwargs: dict | None = None
) -> object:
    """Calls a module with `tensors` in the place of its parameters and buffers of those names.

    Args:
        module: the module; it has its own tensors again afterwards, whatever happens.
        tensors: name -> tensor; a buffer that the call assigns anew is found here afterwards.
        args: arguments of the module.
        kwargs: its keyword arguments.
    """
    where = {path: name for path, name in places(module).items() if name in tensors}
    given = {path: tensors[name] for path, name in where.items()}
    try:
        return functional_call(module, given, args, kwargs, tie_weights=False)
    finally:
        tensors.update({name: given[name] for name in where.values()})


@contextmanager
def same_parameters(module: nn.Module) -> Iterator[list[str]]:
    """Puts every parameter back where it was, and lists the paths of those that had gone."""
    kept = [
        (part._parameters, own, parameter, f"{prefix}.{own}")
        for prefix, part in module.named_modules()
        for own, parameter in part._parameters.items()
    ]
    lost: list[str] = []
    try:
        yield lost
    finally:
        for holder, own, parameter, path in kept:
            if holder.get(own) is not parameter:
                holder[own] = parameter
                lost.append(path)
