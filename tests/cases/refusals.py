"""What does not go together: a case for each rule, with what is said and the way out."""

from refusals_of_draws import OF_DRAWS
from refusals_of_guides import OF_GUIDES
from refusals_of_models import OF_MODELS

RULES = {**OF_GUIDES, **OF_DRAWS, **OF_MODELS}
