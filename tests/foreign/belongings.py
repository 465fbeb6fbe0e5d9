"""What a fit must leave as it was: the process, and everything of the user's."""

import random
from dataclasses import is_dataclass, replace

import numpy as np
import pyro
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


def process():
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": np.random.get_state()[1].tolist(),
        "python": random.getstate(),
        "store": {name: value.tolist() for name, value in pyro.get_param_store().items()},
        "validation": pyro.infer.util.is_validation_enabled(),
        "torch validation": torch.distributions.Distribution._validate_args,
        "settings": pyro.settings.get(),
        "dtype": torch.get_default_dtype(),
    }


def belongings(built):
    """Everything of the user's that a fit could have written to."""
    parts = {
        f"{i}.{name}": part
        for i, module in enumerate(built.modules)
        for name, part in module.named_modules()
    }
    tensors = {
        f"{name}.{key}": value
        for name, part in parts.items()
        for key, value in [*part._parameters.items(), *part._buffers.items()]
        if value is not None
    }
    return {
        "values": {name: value.tolist() for name, value in tensors.items()},
        "identities": {name: id(value) for name, value in tensors.items()},
        "gradients": {name: value.grad for name, value in tensors.items() if value.is_leaf},
        "trained": {name: value.requires_grad for name, value in tensors.items()},
        "modes": {name: part.training for name, part in parts.items()},
        "attributes": {name: sorted(vars(part)) for name, part in parts.items()},
        "arguments": listed((built.args, built.kwargs)),
    }


def listed(value):
    """Tensors as lists, through tuples, lists, dictionaries and dataclasses."""
    if isinstance(value, Tensor):
        return id(value), str(value.tolist())  # NaN is not equal to itself
    if isinstance(value, dict):
        return {key: listed(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [listed(part) for part in value]
    return listed(vars(value)) if is_dataclass(value) else value


def shifted(value):
    """The same arguments with other numbers in every tensor of them."""
    if isinstance(value, Tensor):
        return value + 1
    if isinstance(value, PackedSequence):
        return value._replace(data=value.data + 1)
    if isinstance(value, dict):
        return {key: shifted(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(shifted(part) for part in value)
    if is_dataclass(value):
        return replace(value, **{key: shifted(part) for key, part in vars(value).items()})
    return value
