"""What the zoo uses of torch that torch does not promise to keep, all of it in this one file.

Checked on torch 2.15. A name that a later version moves is mended here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx
from torch.distributions import lowrank_multivariate_normal
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

if TYPE_CHECKING:
    from torch._dynamo import eval_frame
    from torch._dynamo.convert_frame import input_codes, output_codes
    from torch._dynamo.exc import TorchDynamoException
    from torch._higher_order_ops.scan import scan
    from torch._higher_order_ops.while_loop import while_loop
    from torch._inductor import aoti_compile_and_package, aoti_load_package
    from torch._inductor.codecache import CppCodeCache
    from torch._inductor.exc import InductorError, InvalidCxxCompiler
    from torch._inductor.runtime.cache_dir_utils import cache_dir

OF_THE_COMPILER = {
    "eval_frame": "torch._dynamo",
    "input_codes": "torch._dynamo.convert_frame",
    "output_codes": "torch._dynamo.convert_frame",
    "TorchDynamoException": "torch._dynamo.exc",
    "aoti_compile_and_package": "torch._inductor",
    "aoti_load_package": "torch._inductor",
    "CppCodeCache": "torch._inductor.codecache",
    "InductorError": "torch._inductor.exc",
    "InvalidCxxCompiler": "torch._inductor.exc",
    "cache_dir": "torch._inductor.runtime.cache_dir_utils",
    "scan": "torch._higher_order_ops.scan",
    "while_loop": "torch._higher_order_ops.while_loop",
}
standard_gamma, standard_gamma_grad = torch._standard_gamma, torch._standard_gamma_grad
sample_dirichlet, dirichlet_grad = torch._sample_dirichlet, torch._dirichlet_grad
LOGGERS = ("torch.utils.cpp_extension", "torch._inductor")  # of what tells of compiling


def __getattr__(name: str) -> Any:
    """What belongs to torch's compiler is imported at its first use: that takes seconds."""
    if name not in OF_THE_COMPILER:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(OF_THE_COMPILER[name]), name)


def make_fx(function: Callable) -> Callable[..., fx.GraphModule]:
    """Traces a function into a graph, as torch's make_fx does.

    It notes every value's shape in a fake mode, and takes one for the whole trace: torch's own
    makes one for every value, which takes longer than the rest, as each notes the stack of calls.
    """
    from torch._guards import TracingContext, tracing
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental import proxy_tensor

    def traced(*args: object) -> fx.GraphModule:
        with tracing(TracingContext(FakeTensorMode(allow_fallback_kernels=True))):
            return proxy_tensor.make_fx(function)(*args)

    return traced


@contextmanager
def untraced() -> Iterator[None]:
    """Inside, what is computed does not enter the graph that is being traced around it."""
    from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing

    with disable_proxy_modes_tracing():
        yield


def in_a_transform() -> bool:
    """Is a transform of torch.func, as vmap or grad, at work?"""
    return torch._C._functorch.peek_interpreter_stack() is not None


@contextmanager
def written_nowhere() -> Iterator[None]:
    """Low-rank normals add up a matrix that torch's own code writes the diagonal of.

    torch.func.vmap has no rule for that write, so several seeds of such a step could not run side
    by side. The numbers are the same.
    """
    own = lowrank_multivariate_normal._batch_capacitance_tril

    def by_sum(factor: Tensor, diagonal: Tensor) -> Tensor:
        inner = (factor.mT / diagonal.unsqueeze(-2)) @ factor
        identity = torch.eye(inner.shape[-1], dtype=inner.dtype, device=inner.device)
        return torch.linalg.cholesky(inner + identity)

    lowrank_multivariate_normal._batch_capacitance_tril = by_sum
    try:
        yield
    finally:
        lowrank_multivariate_normal._batch_capacitance_tril = own


def inductor_settings() -> str:
    """A hash of the compiler's settings."""
    return import_module("torch._inductor.config").get_hash().hex()


__all__ = [
    "LOGGERS",
    "CppCodeCache",
    "InductorError",
    "InvalidCxxCompiler",
    "TorchDynamoException",
    "aoti_compile_and_package",
    "aoti_load_package",
    "cache_dir",
    "dirichlet_grad",
    "eval_frame",
    "in_a_transform",
    "inductor_settings",
    "input_codes",
    "make_fx",
    "output_codes",
    "sample_dirichlet",
    "scan",
    "standard_gamma",
    "standard_gamma_grad",
    "tree_flatten",
    "tree_leaves",
    "tree_map",
    "tree_unflatten",
    "untraced",
    "while_loop",
    "written_nowhere",
]
