"""Item response: how able people are, and how hard the questions that they answered.

The two-parameter logistic model. Abilities, difficulties and discriminations multiply, so that the
posterior is not normal, and what is known of a question depends on who answered it.

Generative process, for people i and questions j:
    ability_i ~ N(0, 1),  difficulty_j ~ N(0, 1.5),  discrimination_j ~ LogNormal(0, 0.5)
    y_ij ~ Bernoulli(sigmoid(discrimination_j (ability_i - difficulty_j)))

Second arguments are standard deviations.
Shapes: y (I, J), ability (I,), difficulty (J,), discrimination (J,).
Source: Birnbaum (1968), Some latent trait models and their use in inferring an examinee's ability;
posteriordb has it as `irt_2pl`.
Departs from the source: proper priors with fixed scales.
"""

import pyro
import pyro.distributions as dist
from torch import Tensor, nn

from zoo.models.shapes import require_shape

DIFFICULTY_SCALE, DISCRIMINATION_SCALE = 1.5, 0.5


class ItemResponse(nn.Module):
    """Two-parameter logistic item response; it has no parameters to learn."""

    def forward(self, y: Tensor) -> Tensor:
        """Generates the answers: sites ability, difficulty and discrimination, then y.

        Args:
            y: 1 for a right answer, else 0, shape (I, J).

        Returns:
            The answers, shape (I, J).

        Raises:
            ValueError: y is not (I, J).
        """
        require_shape("y", y, y.shape[:1] + y.shape[-1:])
        people, questions = y.new_zeros(len(y)), y.new_zeros(y.shape[-1])
        ability = pyro.sample("ability", dist.Normal(people, 1.0).to_event(1))
        hard = dist.Normal(questions, DIFFICULTY_SCALE).to_event(1)
        difficulty = pyro.sample("difficulty", hard)
        steep = dist.LogNormal(questions, DISCRIMINATION_SCALE).to_event(1)
        discrimination = pyro.sample("discrimination", steep)
        above = ability[..., :, None] - difficulty[..., None, :]
        logits = discrimination[..., None, :] * above
        return pyro.sample("y", dist.Bernoulli(logits=logits).to_event(2), obs=y)
