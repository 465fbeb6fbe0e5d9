"""The latents of a model, and what else a guide must know of it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo.sites.latent import Latent, Plate


@dataclass(frozen=True)
class Latents:
    """The latents of a model under given arguments, and what a guide needs besides.

    Attributes:
        sites: the unobserved sample sites, in the order in which the model draws them.
        observed: names of the observed sites.
        row_plate: the plate over data rows, or None: the one named "data", else the first
            that the model subsamples.
        row_args: positions of the arguments that hold the rows of the row plate.
        context: number of values in one data row, over all those arguments.
        nesting: number of plate dimensions; particles go one to the left of them.
        vectorises: does the model broadcast over particles?
        hidden: widths of the linear layers of the model's decoder (the part of that name, else
            the whole model) from data to latents, or what the model declares; an encoder mirrors
            them.
        activation: the decoder's non-linearity.
        recognises: has the model a recognition network of its own?
        derived: names of the observed sites whose value is not an argument as it was passed.
        descends: has it groups of latents on a path that a guide can walk down?
        draws: does it draw a row step by step, on a canvas that a guide can look at?
        row_widths: number of values in one data row of each of the arguments `row_args`.
        narrow: why the model does not broadcast over particles; empty if it does.
        moving: latents whose support is not always the same, each with what it depends on.
        drawn_plates: names of the plates of which the model itself holds only a part at a time,
            as by ``subsample_size``: its log-density is then a random estimate of the whole.
        observed_by_row: does every observed site lie in the row plate?
        differentiable_draws: is one site observed, whose draws can be differentiated in the
            model's parameters?
        energy_units: left units of the energy of a model whose log p leaves out a constant log Z
            of its parameters; 0 where log p is normalised.
        settles: does the model know the coordinate-ascent updates of its latents' means?
        differentiable_mean: is one site observed, whose distribution says its mean?
    """

    sites: tuple[Latent, ...]
    observed: tuple[str, ...]
    row_plate: Plate | None
    row_args: tuple[int, ...]
    context: int
    nesting: int
    vectorises: bool
    hidden: tuple[int, ...]
    activation: type[nn.Module]
    recognises: bool = False
    derived: tuple[str, ...] = ()
    descends: bool = False
    draws: bool = False
    row_widths: tuple[int, ...] = ()
    narrow: str = ""
    moving: tuple[tuple[str, str], ...] = ()
    drawn_plates: tuple[str, ...] = ()
    observed_by_row: bool = False
    differentiable_draws: bool = False
    energy_units: int = 0
    settles: bool = False
    differentiable_mean: bool = False

    def __deepcopy__(self, memo: dict) -> "Latents":
        return self  # nothing in it changes, and supports are compared by identity

    def __getitem__(self, name: str) -> Latent:
        for site in self.sites:
            if site.name == name:
                return site
        raise ValueError(f"No latent named '{name}'; the model has {self.names}.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the latents."""
        return tuple(site.name for site in self.sites)

    @property
    def listed(self) -> str:
        """The names as a phrase: "'mu', 'tau', 'eta'"."""
        return ", ".join(map(repr, self.names))

    @property
    def rowwise(self) -> bool:
        """Is log p(x) a sum over rows, each with an importance weight of its own?

        All latents then belong to rows; or nothing is latent, and all that is observed does.
        """
        if not self.sites:
            return self.observed_by_row
        return all(site.local for site in self.sites)

    @property
    def subsampled(self) -> bool:
        """Does one call hold fewer rows than there are?"""
        return self.row_plate is not None and self.row_plate.subsample < self.row_plate.size

    def rows_given(self, args: tuple) -> int:
        """Number of data rows that the arguments hold; 0 if none of them holds rows."""
        return len(args[self.row_args[0]]) if self.row_args else 0

    def row_context(self, args: tuple) -> Tensor:
        """The data rows, flattened and side by side over all arguments: (rows, context)."""
        rows = self.rows_given(args)
        parts = [args[i].reshape(rows, -1) for i in self.row_args]
        usual = torch.get_default_dtype()  # of bits and counts, for a network to read
        return torch.cat([x if x.is_floating_point() else x.to(usual) for x in parts], dim=-1)

    def select(self, *names: str) -> "Latents":
        """The same description with only the latents named."""
        sites = tuple(self[name] for name in names)
        fields = {**self.__dict__, "sites": sites}
        return Latents(**fields)
