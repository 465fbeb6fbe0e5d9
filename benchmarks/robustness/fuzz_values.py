"""Values that are wrong for most arguments, by the kind of wrongness."""

from functools import partial

import numpy as np
import torch
from pyro.infer import Trace_ELBO
from pyro.infer.autoguide import AutoContinuous, AutoGuide
from pyro.infer.autoguide.effect import AutoNormalMessenger
from torch import nn

import guides
from benchmarks.robustness.fuzz_doors import fitted, task
from benchmarks.robustness.fuzz_user_code import Net, X, nothing, same, text
from zoo.objectives import Trace


def values() -> dict[str, list]:
    """Kind of wrongness -> values of it. A value may be right for some arguments."""
    adam = torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    return {
        "text": ["ten", "", "1", "None", "auto ", "x" * 300, "\0", "[/red]"],
        "boolean": [True, False, np.bool_(1)],
        "nothing": [None],
        "fraction": [1.5, 0.25, 3.0, -0.0, 1e-300],
        "not finite": [float("nan"), float("inf"), -float("inf")],
        "out of range": [0, -1, -7, 10**30, -(10**30), 2**63, 1e300, -0.5, 10**5000],
        "numpy number": [np.int64(2), np.float32(0.5), np.float64("nan"), np.int8(-3)],
        "numpy array": [np.zeros(3), np.zeros(0), np.array(2), np.array("a"), np.zeros((2, 2))],
        "tensor": [torch.tensor(2), torch.tensor(0.5), *tensors().values()],
        "collection": [[], (), {}, set(), [1], (1, 2), ["a"], [None], {"a": 1}, [[]], [X], [2.0]],
        "class": [int, object, Trace, nn.Module, Net, guides.MeanField, torch.optim.Adam, dict],
        "abstract class": [guides.Guide, AutoGuide, AutoContinuous, AutoNormalMessenger],
        "object": [object(), Trace(), Trace_ELBO(), Net(2), adam, fitted(), task(), X],
        "function": [len, partial(same), nothing, same, text],
        "name": ["trase", "mean_feild", "elbo", "ppca", "test", "tset", "digit", "adm", "trace"],
        "complex or bytes": [1j, b"trace", range(3), ...],
    }


def tensors() -> dict[str, torch.Tensor]:
    """Kinds of tensors that are no ordinary data, or only just."""
    bad = X.clone()
    bad[2, 1] = float("nan")
    return {
        "empty": torch.zeros(0),
        "no rows": torch.zeros(0, 3),
        "no columns": torch.zeros(3, 0),
        "bfloat16": X.bfloat16(),
        "half": X.half(),
        "complex": torch.complex(X, X),
        "sparse": X.to_sparse(),
        "meta": X.to("meta"),
        "integers": torch.arange(36).reshape(12, 3),
        "booleans": X > 0,
        "nan": bad,
        "infinite": X / 0,
        "huge": X * 1e17,
        "gradient": X.clone().requires_grad_(),
        "single": X.to(torch.float32),
        "double": X.to(torch.float64),
        "one row": X[:1],
        "scalar": torch.tensor(1.0),
        "four dimensions": X.reshape(2, 2, 3, 3),
    }


def strangers() -> dict[str, object]:
    """What is no tensor at all."""
    return {
        "numpy": X.numpy(),
        "numpy, empty": np.zeros(0),
        "number": 3.0,
        "text": "rows",
        "nothing": None,
        "list": [1.0, 2.0],
        "dict": {"x": X},
        "tuple of tensors": (X, X),
        "ordinary": X,
    }
