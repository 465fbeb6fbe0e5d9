"""Mean field by coordinate ascent: no parameters, the model's own weights say what is best.

    q(h1, h2 | x) = prod_j Bernoulli(m1_j) prod_k Bernoulli(m2_k),
    m1 = sigmoid( c1 + x W1 + m2 W2^T ),    m2 = sigmoid( c2 + m1 W2 ),

updated in turn from m2 = 1/2. Each update maximises the bound over one layer, so that the bound
rises with every sweep, to a local optimum. There its gradient in m is 0, and m is held constant
while the model's weights move.

Parameters: none.
Sources: Saul, Jaakkola & Jordan 1996, "Mean field theory for sigmoid belief networks"; for deep
Boltzmann machines, Salakhutdinov & Hinton 2009.
Topic: Discrete latents.
"""

from typing import ClassVar

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from guides.guide import Guide
from guides.parts.plates import inside
from zoo.checks.arguments import whole
from zoo.latents import Kind, Latents
from zoo.protocols import HasMeanField

SWEEPS = 10


class CoordinateAscent(Guide):
    """Independent bits whose means settle under the model's weights.

    Args:
        latents: the latents to cover, all of the model's.
        model: the model, which knows the updates.
        sweeps: updates of each layer.

    Raises:
        ValueError: if the model knows no updates.

    Example:
        It has nothing to train, and infers rows that it has never seen:

        >>> import guides, zoo
        >>> fit = zoo.fit(zoo.load("dbm"), guides.CoordinateAscent, objective="pcd", steps=5)
        >>> list(fit.guide.parameters())
        []
        >>> fit.encode(*fit.task.split("test")).mean["h1"].shape
        torch.Size([360, 64])
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.DISCRETE})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    reparameterised: ClassVar[bool] = False
    takes_model: ClassVar[bool] = True

    def __init__(self, latents: Latents, model: nn.Module, sweeps: int = SWEEPS) -> None:
        super().__init__(latents)
        self.raise_objection()
        self.model, self.sweeps = (model,), whole("sweeps", sweeps)

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """The model does not say how to update the means of its latents."""
        if latents.settles:
            return None
        return (
            f"{cls.__name__} updates the means of each layer by the model's own method "
            "mean_field; this model has none. Use amortised_discrete."
        )

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the latents of the rows given."""
        model, plates, values = self.model[0], self.plates(args), {}
        assert isinstance(model, HasMeanField)
        with torch.no_grad():
            logits = model.mean_field(self.latents.row_context(args), self.sweeps)
        for site in self.latents.sites:
            with inside(plates, site):
                q = dist.Bernoulli(logits=logits[site.name]).to_event(1)
                values[site.name] = pyro.sample(site.name, q)
        return values
