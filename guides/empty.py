"""No guide at all: every latent is left to an objective that sums it out.

Parameters: none.
"""

from torch import Tensor

from guides.guide import Guide


class Empty(Guide):
    """Covers nothing; with `enumerate` the model is trained by its exact likelihood."""

    def forward(self, *args: object, **kwargs: object) -> dict[str, Tensor]:
        """Samples nothing."""
        return {}
