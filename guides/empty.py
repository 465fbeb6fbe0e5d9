"""No guide: all latents are left to an objective that sums them out.

Parameters: none.
Topic: Discrete latents.
"""

from torch import Tensor

from guides.guide import Guide


class Empty(Guide):
    """Covers nothing; with `enumerate` the model is trained by its exact likelihood.

    Example:
        The network of binary causes trained by its exact likelihood, the sum over all states:

        >>> import guides, torch, zoo
        >>> from zoo.models.discrete.bernoulli_latent import BernoulliLatent
        >>> x, model = torch.bernoulli(torch.full((7, 5), 0.5)), BernoulliLatent(5, latent=3)
        >>> fit = zoo.fit(model, guides.Empty, x, objective="enumerate", steps=1)
        >>> torch.allclose(-fit.losses, model.log_evidence(x).sum())
        True
    """

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples nothing."""
        return {}
