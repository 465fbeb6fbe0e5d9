"""A guide as a user hands it over, checked at the door, with its settings."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import get_args

from pyro.infer.autoguide import AutoContinuous, AutoGuide, AutoMessenger
from torch import nn

from zoo.checks.arguments import MANY, flag, instance, number, refusal, whole
from zoo.checks.shown import shown
from zoo.latents import Family, Kind, Latents

COMMON = (AutoGuide, AutoContinuous, AutoMessenger, Family)


def check_guide(guide: object, name: str = "guide") -> Callable:
    """A guide class of the zoo or of Pyro, a partial of one, a built guide or a function.

    Raises:
        ValueError: for anything else, and for settings that a class does not have.
    """
    wanted = "a guide: a class of the zoo or an AutoGuide, an instance, or a function"
    if isinstance(guide, str):
        raise refusal(name, wanted, guide, f"Pass guides.guide_named({guide[:40]!r}).")
    if not callable(guide):
        raise refusal(name, wanted, guide, "Pass e.g. guides.MeanField.")
    family = guide.func if isinstance(guide, partial) else guide
    if not isinstance(family, type):
        return guide
    if not issubclass(family, (Family, AutoGuide, AutoMessenger)):
        raise refusal(name, wanted, family, f"Pass an instance: {family.__name__}(...).")
    if inspect.isabstract(family) or family in COMMON:
        way = "It is what guides have in common; pass one of them, e.g. guides.MeanField."
        raise refusal(name, wanted, family, way)
    if isinstance(guide, partial):
        _check_settings(guide, family)
    return guide


def _check_settings(guide: partial, family: type) -> None:
    """Refuses a partial whose keywords the class does not take, and values of another type."""
    built_from = 2 if issubclass(family, Family) and family.takes_model else 1
    signature = inspect.signature(family)
    try:
        given = signature.bind(*[None] * built_from, *guide.args, **guide.keywords).arguments
    except TypeError as error:
        known = list(signature.parameters)[built_from:]
        raise ValueError(
            f"Expected settings of {family.__name__} among {known}; got "
            f"{list(guide.keywords)}: {error}."
        ) from error
    for name in list(given)[built_from:]:
        _check_setting(f"{name} of {family.__name__}", given[name], signature.parameters[name])


def _check_setting(name: str, value: object, parameter: inspect.Parameter) -> None:
    """Holds a setting against the type that the class declares for it, where it is a plain one."""
    kinds = get_args(parameter.annotation) or (parameter.annotation,)
    if value is None and type(None) in kinds:
        return
    example = f"Its default is {shown(parameter.default)}."
    if not set(kinds) <= {int, float, bool, nn.Module, type(None)}:
        return
    if int in kinds:
        whole(name, value, least=0, most=MANY, way=example)
    elif float in kinds:
        number(name, value, way=example)
    elif bool in kinds:
        flag(name, value)
    elif nn.Module in kinds:
        instance(name, value, nn.Module, "Pass an instance of torch.nn.Module.")


def about_rows(guide: Callable, latents: Latents, args: tuple) -> str:
    """Which row is not finite, so that a network of the guide cannot read it; "" for none."""
    if not (isinstance(guide, Family) and guide.amortised and "local" in guide.scopes):
        return ""
    for i in latents.row_args:
        rows = args[i].reshape(len(args[i]), -1)
        off = (~rows.isfinite()).nonzero()
        if len(off):
            row, column = off[0].tolist()
            return (
                f"Expected rows of finite numbers for the network of {type(guide).__name__}; got "
                f"{rows[row, column].item()} in row {row} of argument {i}. Pass missing numbers "
                "as 0, and what was seen as another argument; or use a guide that reads no rows, "
                "as guides.PerDatum."
            )
    return ""


def check_precision(guide: Callable, latents: Latents, args: tuple) -> None:
    """Refuses latents, and data rows that a network reads, in another precision than the guide's.

    Raises:
        ValueError: naming the latent or the argument, and both types.
    """
    if not (isinstance(guide, Family) and isinstance(guide, nn.Module)):
        return
    held = {p.dtype for p in guide.parameters() if p.is_floating_point()}
    if not held:
        return
    found = [
        (f"latent '{site.name}'", site.dtype)
        for site in latents.sites
        if site.kind is not Kind.DISCRETE and site.dtype is not None
    ]
    if guide.amortised and "local" in guide.scopes:
        found += [(f"argument {i}", args[i].dtype) for i in latents.row_args]
    for name, dtype in found:
        if dtype.is_floating_point and dtype not in held:
            own = next(iter(held))
            raise ValueError(
                f"Expected {name} to be of type {own}, as the parameters of "
                f"{type(guide).__name__} are; got {dtype}. Pass the data as to({own}), or call "
                f"torch.set_default_dtype({dtype}) first."
            )
