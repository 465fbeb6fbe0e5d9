"""Classifier and encoder of a semi-supervised VAE: the class from the row, the code from both.

    q(y, z | x) = Categorical(y; c(x)) N(z; m(x, y), diag s(x, y)^2)      without a label,
    q(y, z | x, label) = Categorical(y; 1/K) N(z; m(x, label), diag s(x, label)^2)    with one.

A row with a label makes no use of its y, whose posterior is then the prior 1/K. So the bound does
not train the classifier on labels; the objective `classified` adds the term that does.

The model's arguments are the row, its label and whether it has one, as those of
`semi_supervised_vae`. `probabilities(x)` is the classifier.

Parameters: a network D -> hidden -> K and one D + K -> hidden -> mean and scale of each code.
Source: Kingma, Rezende, Mohamed & Welling 2014, "Semi-supervised learning with deep generative
models".
Topic: Discrete latents.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import constraints

from guides.guide import Guide
from guides.parts.encoder import stack
from guides.parts.normal import normal
from guides.parts.plates import inside, positive
from zoo.latents import Kind, Latent, Latents
from zoo.nn import beside


class SemiSupervised(Guide):
    """One one-hot latent that may be known, and codes given it.

    Args:
        latents: the latents to cover: one one-hot, the others continuous.
        hidden: widths of the hidden layers of both networks; None mirrors the model's decoder.

    Raises:
        ValueError: for other latents, or other arguments of the model.

    Example:
        The classifier gives each picture a probability of each class:

        >>> import guides, zoo
        >>> task = zoo.load("semi_supervised_vae")
        >>> fit = zoo.fit(task, guides.SemiSupervised, objective="classified", steps=5)
        >>> fit.guide.probabilities(task.split("test")[0]).shape
        torch.Size([360, 10])
    """

    kinds: ClassVar[frozenset[Kind]] = frozenset({Kind.CONTINUOUS, Kind.DISCRETE})
    scopes: ClassVar[frozenset[str]] = frozenset({"local"})
    reparameterised: ClassVar[bool] = False
    factorised: ClassVar[bool] = False
    independent: ClassVar[bool] = False
    classifies: ClassVar[bool] = True

    def __init__(self, latents: Latents, hidden: Sequence[int] | None = None) -> None:
        super().__init__(latents)
        self.raise_objection()
        self.label = next(site for site in latents.sites if site.kind is Kind.DISCRETE)
        self.codes = [site for site in latents.sites if site is not self.label]
        widths = latents.hidden if hidden is None else tuple(hidden)
        size, classes = latents.row_widths[0], self.label.classes
        numbers = sum(site.unconstrained_shape.numel() for site in self.codes)
        self.classifier = stack((size, *widths, classes), latents.activation)
        self.encoder = stack((size + classes, *widths, 2 * numbers), latents.activation)

    @classmethod
    def handles(cls, latent: Latent) -> bool:
        """Continuous and one-hot latents in the plate over rows."""
        one_hot = latent.base_support is constraints.one_hot and len(latent.event_shape) == 1
        return super().handles(latent) and (latent.kind is Kind.CONTINUOUS or one_hot)

    @classmethod
    def differentiates(cls, latent: Latent) -> bool:
        """The codes are reparameterised, the class is not."""
        return latent.kind is Kind.CONTINUOUS

    @classmethod
    def objection(cls, latents: Latents) -> str | None:
        """The model has no class that may be known, or nothing besides it."""
        labels = [site for site in latents.sites if site.kind is Kind.DISCRETE]
        alone = all(len(site.batch_shape) == 1 for site in latents.sites)
        wanted = (labels[0].classes, 1) if len(labels) == 1 else ()
        if wanted and alone and len(latents.sites) > 1 and latents.row_widths[1:] == wanted:
            return None
        return (
            f"{cls.__name__} is for one one-hot latent of each row that may be known, with "
            "continuous ones beside it and the arguments x, label, labelled; this model has the "
            f"latents {latents.listed} and arguments of widths {latents.row_widths}. Use an "
            "amortised guide, or the model semi_supervised_vae."
        )

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples the class and the codes of the rows given."""
        x, label, labelled = self.rows(args)
        plates, known, logits = self.plates(args), labelled > 0, self.classifier(x)
        q = dist.OneHotCategorical(logits=torch.where(known, torch.zeros_like(logits), logits))
        chance = (label * logits.log_softmax(-1)).sum(-1) * known[:, 0]
        said: Any = {"log_q_label": chance}  # for the objective that trains the classifier
        with inside(plates, self.label):
            y = pyro.sample(self.label.name, q, infer=said)
        values = {self.label.name: y}
        numbers = self.encoder(beside(x, torch.where(known, label, y)))
        sizes = [site.unconstrained_shape.numel() for site in self.codes]
        loc, scale = numbers.chunk(2, -1)
        parts = zip(
            self.codes, loc.split(sizes, -1), positive(scale).split(sizes, -1), strict=True
        )
        for site, *moments in parts:
            mean, sd = (m.reshape(*m.shape[:-1], *site.unconstrained_shape) for m in moments)
            with inside(plates, site):
                values[site.name] = pyro.sample(site.name, normal(mean, sd, site))
        return values

    def rows(self, args: tuple) -> list[Tensor]:
        """The rows, their labels and whether they have one: (rows, D), (rows, K), (rows, 1)."""
        usual = torch.get_default_dtype()
        found = [args[i].reshape(len(args[i]), -1) for i in self.latents.row_args]
        return [one if one.is_floating_point() else one.to(usual) for one in found]

    def probabilities(self, x: Tensor) -> Tensor:
        """The classifier q(y | x): rows (rows, ...) -> (rows, K)."""
        return self.classifier(x.reshape(len(x), -1)).softmax(-1)
