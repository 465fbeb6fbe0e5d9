"""Checks of the settings of a fit: when it ends, whether it is compiled, at which rates."""

from collections.abc import Sequence

from zoo.checks.arguments import number, one_of, several, shown


def check_until(until: object, patience: int | None) -> str:
    """When training ends: "steps", "converged", or "auto".

    Raises:
        ValueError: for anything else, or if patience would end it too.
    """
    found = one_of("until", until, ("auto", "steps", "converged"))
    if found == "converged" and patience is not None:
        raise ValueError(
            "until='converged' watches the fit and stops it by itself; got "
            f"patience={shown(patience)}. Leave it out."
        )
    return found


def compile_mode(value: object) -> bool | str:
    """True, False or "auto".

    Raises:
        ValueError: for anything else.
    """
    choices: tuple[bool | str, ...] = (True, False, "auto")
    return one_of("compile", value, choices)


def rates_of(asked: object, usual: float, replicas: int | None) -> list[float]:
    """One learning rate for each replica.

    Raises:
        ValueError: for rates that are not above 0, or a list of another length.
    """
    count = 1 if replicas is None else replicas
    if asked is None:
        return [usual] * count
    if not isinstance(asked, Sequence) or isinstance(asked, str):
        return [number("lr", asked, above=0.0, way="Pass e.g. lr=0.01.")] * count
    rates = several("lr", asked, "Pass e.g. lr=0.01.")
    if replicas != len(rates):
        raise ValueError(
            f"Expected one learning rate for each replica; got {len(rates)} for replicas="
            f"{replicas}. Pass replicas={len(rates)}."
        )
    return [number("each lr", rate, above=0.0, way="Pass e.g. lr=[0.01, 0.02].") for rate in rates]
