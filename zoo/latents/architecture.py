"""What an encoder mirrors of a model: the widths of its layers and its non-linearity."""

from torch import nn

from zoo.protocols import Mirrored

DEFAULT_HIDDEN = (64, 64)
ACTIVATIONS = (
    *(nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Softplus, nn.Tanh),
    nn.GLU,
)


def architecture(model: object) -> tuple[tuple[int, ...], type[nn.Module]]:
    """Widths of the hidden layers from data to latents, and the activation.

    They are those of the model's part named `decoder`, if it has one, else of the whole model:
    a prior's networks are nothing to mirror.
    """
    modules = _decoder_of(model)
    linear = [module for module in modules if isinstance(module, nn.Linear)]
    # what a layer passes on is what the next one takes: a gate halves its outputs
    widths = [module.in_features for module in linear[1:]]
    found = [type(module) for module in modules if isinstance(module, ACTIVATIONS)]
    activation = next(iter(found), nn.ReLU)
    if isinstance(model, Mirrored):
        return model.encoder_hidden, activation
    return tuple(reversed(widths)) or DEFAULT_HIDDEN, activation


def _decoder_of(model: object) -> list[nn.Module]:
    if not isinstance(model, nn.Module):
        return []
    return list(dict(model.named_children()).get("decoder", model).modules())
