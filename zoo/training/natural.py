"""What an optimizer of natural gradients asks of a program: that all it trains are normals."""

from collections.abc import Sequence

from torch import nn

from zoo.program import Program


def check_natural(name: str, program: Program, parameters: Sequence[nn.Parameter]) -> None:
    """Refuses parameters that are neither means nor scales of normals.

    Args:
        name: of the optimizer.
        program: model, guide and objective.
        parameters: those that are to be trained.

    Raises:
        ValueError: naming the first such parameter.
    """
    places = program.places_of_normals(parameters)
    known = {i for at in places for i in (at.loc, at.scale)}
    others = [p for i, p in enumerate(parameters) if i not in known]
    if not others:
        return
    first = others[0]
    names = [own for own, p in program.named_parameters() if p is first]
    of_model = id(first) in program.of_model()
    way = "Hold it by freeze_model=True, or pass" if of_model else "Use guide mean_field or"
    way = f"{way} optimizer='adam'." if of_model else f"{way} full_rank, or optimizer='adam'."
    raise ValueError(
        f"optimizer='{name}' follows natural gradients of normals, whose parameters are all means "
        f"and scales; '{names[0]}' of shape {tuple(first.shape)} is "
        f"{'a parameter of the model' if of_model else 'none that the guide states to be one'}. "
        f"{way}"
    )
