"""What a model may know exactly about itself.

A model states a truth by having the method; nothing is inherited and nothing is registered.
`isinstance(model, HasEvidence)` asks whether the method is there, so a model written elsewhere
counts as soon as it carries one. The arguments are those of the model's own forward, and every
answer is for the parameters as they are now.
"""

from typing import Protocol, runtime_checkable

from torch import Tensor
from torch.distributions import Distribution


@runtime_checkable
class HasEvidence(Protocol):
    """A model whose log evidence is known."""

    def log_evidence(self, *args: Tensor) -> Tensor:
        """Log evidence log p(data), all latents integrated out.

        Args:
            *args: the arguments of the model's forward.

        Returns:
            Nats; shape (rows,) for a row-wise model, () for a model of the whole data set.
        """
        ...


@runtime_checkable
class HasPosterior(Protocol):
    """A model whose posterior is known as a distribution."""

    def posterior(self, *args: Tensor) -> dict[str, Distribution]:
        """Exact posterior of each latent site.

        Args:
            *args: the arguments of the model's forward.

        Returns:
            Site name -> distribution; batch shape (rows,) for a row-wise model.
        """
        ...


@runtime_checkable
class HasMoments(Protocol):
    """A model whose posterior is known by its moments only."""

    def posterior_moments(self, *args: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Exact posterior mean and standard deviation of each latent site.

        Args:
            *args: the arguments of the model's forward.

        Returns:
            Site name -> (mean, standard deviation), each shaped like one draw of the site.
        """
        ...


@runtime_checkable
class HasMean(Protocol):
    """A model of pictures that can show what a latent value looks like."""

    def mean(self, z: Tensor) -> Tensor:
        """Expected x given z.

        Args:
            z: values of the first latent, shape (..., *event).

        Returns:
            Intensities, shape (..., pixels).
        """
        ...
