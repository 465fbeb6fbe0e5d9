"""Top-down guide of a hierarchical VAE: it follows the model's path down, given the row.

    d_1 = relu(e_1 x),  d_l = d_{l-1} + r_l(d_{l-1})              up, deterministic
    q(z_L | x) = N(m(d_L), diag s(d_L)^2), or what the model's prior recognises, if it does
    q(z_l | z_>l, x):  what the row says, (m, s) from (h_{l+1}, d_l), and the group's prior
                       N(m_l(h_{l+1}), s_l(h_{l+1})^2), combined                          down

`combine` = "residual" shifts and stretches the prior, N(m_l + s_l m, (s_l s)^2) (NVAE, there with
an absolute shift); "precision" weighs the two means by their precisions (ladder VAE).

Parameters: the networks e, r_l and one affine head a group; the path h is the model's own, and so
is the network of a prior that recognises: with a VampPrior the top group has no other.
Sources: Kingma et al. 2016, "Improving variational inference with inverse autoregressive flow";
Vahdat & Kautz 2020, "NVAE"; Sonderby et al. 2016, "Ladder variational autoencoders".

As `ladder`: Top-down guide that weighs encoder and prior by their precisions (ladder VAE).
Topic: Layers of latents.
"""

from typing import ClassVar, cast

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.plates import Plates, inside, positive
from zoo.latents import Kind, Latents
from zoo.protocols import Descends, recogniser_of

COMBINE = ("residual", "precision")
Moments = tuple[Tensor, Tensor]  # mean and scale


class TopDown(Guide):
    """Groups of latents from the top, each given the ones above it and the row.

    Args:
        latents: the groups, in the order in which the model draws them.
        model: the hierarchical model, whose path is shared.
        combine: "residual" or "precision".

    Raises:
        ValueError: for another way to combine, or a model without a path.

    Example:
        It draws the groups in the order of the model, each given those above it and the row:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("hvae"), guides.TopDown, steps=5)
        >>> list(fit.guide(*fit.task.split("test")))
        ['z_2', 'z_1']
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    independent: ClassVar[bool] = False
    takes_model: ClassVar[bool] = True

    def __init__(self, latents: Latents, model: nn.Module, combine: str = "residual") -> None:
        super().__init__(latents)
        if combine not in COMBINE:
            raise ValueError(f"Expected combine to be one of {COMBINE}; got '{combine}'.")
        self.raise_objection()
        self.combine = combine
        self.model = (cast(Descends, model),)  # in a tuple: its parameters stay the model's
        self.top, self.up, self.heads = None, nn.ModuleList(), nn.ModuleList()
        width, (first, *others) = self.path.width, self.path.groups
        climbed = len(others) + (not latents.recognises)
        if climbed:
            self.up.append(nn.Sequential(nn.Linear(latents.context, width), nn.ReLU()))
        self.up += [_residual(width) for _ in range(climbed - 1)]
        self.heads += [nn.Linear(2 * width, 2 * size) for size in others]
        if not latents.recognises:
            self.top = nn.Linear(width, 2 * first)

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """The model has no path from group to group."""
        if latents.descends:
            return None
        return (
            f"{cls.__name__} walks down the path from group to group of a hierarchical model; "
            "this model has none. Use amortised_normal, or the model hvae."
        )

    @property
    def path(self) -> Descends:
        """The model."""
        return self.model[0]

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the groups of the rows given, from the top."""
        x, plates = self.latents.row_context(args), self.plates(args)
        (first, *others), seen = self.path.names, self._climb(x)
        q = _moments(self.top(seen.pop())) if self.top else self._recognised(x)
        values = {first: self._draw(first, q, plates)}
        path = self.path.enter(values[first])
        for level, name in enumerate(others):
            values[name] = self._draw(name, self._below(level, path, seen.pop()), plates)
            path = self.path.descend(level, path, values[name])
        return values

    def _draw(self, name: str, q: Moments, plates: Plates) -> Tensor:
        with inside(plates, self.latents[name]):
            return pyro.sample(name, dist.Normal(*q).to_event(1))

    def _recognised(self, x: Tensor) -> Moments:
        network = recogniser_of(self.path)
        assert network is not None
        return network.recognise(x)

    def _climb(self, x: Tensor) -> list[Tensor]:
        """The rows' features for each group, the lowest group's first."""
        features: list[Tensor] = []
        for step in self.up:
            features.append(features[-1] + step(features[-1]) if features else step(x))
        return features

    def _below(self, level: int, path: Tensor, seen: Tensor) -> Moments:
        both = torch.cat([path, seen.expand(*path.shape[:-1], -1)], dim=-1)
        row, prior = _moments(self.heads[level](both)), self.path.group(level, path)
        return (shifted if self.combine == "residual" else weighed)(prior, row)


def shifted(prior: Moments, row: Moments) -> Moments:
    """The prior's mean moved by so many of its scales, and its scale stretched."""
    (loc, scale), (shift, stretch) = prior, row
    return loc + scale * shift, scale * stretch


def weighed(prior: Moments, row: Moments) -> Moments:
    """The product of the two normals: means weighed by precisions, precisions added."""
    a, b = prior[1] ** -2, row[1] ** -2
    return (a * prior[0] + b * row[0]) / (a + b), (a + b) ** -0.5


def _moments(outputs: Tensor) -> Moments:
    loc, scale = outputs.chunk(2, dim=-1)
    return loc, positive(scale)


def _residual(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
