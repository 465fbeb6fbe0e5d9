"""Latent Dirichlet allocation: documents mix topics, and topics are distributions over words.

The topics are shared by all documents, the mixture belongs to one. The topic of each single word
is summed out: a word is drawn from the document's mixture of the topics. Documents are counts of
words, all of the same length.

Generative process, for topics k and documents n, each a row:
    topic_k ~ Dirichlet(s, ..., s)                 (over V words)
    theta_n ~ Dirichlet(a, ..., a)                 (over K topics)
    x_n ~ Multinomial(N, sum_k theta_nk topic_k)

Topics have no order: the posterior has K! modes that differ by names alone. A guide finds one.

Shapes: x (rows, V), topics (K, V), theta (rows, K).
Source: Blei, Ng & Jordan (2003), Latent Dirichlet allocation, with the prior on topics of its
section 5.4; the corpus of bars is that of Griffiths & Steyvers (2004), Finding scientific topics.
Departs from the paper: the length of a document is given, and the two concentrations are not
learned.

Nothing is known exactly.
"""

import pyro
import pyro.distributions as dist
from torch import Tensor, nn

from zoo.models.shapes import require_shape

SPARSE_TOPIC, EVEN_MIXTURE = 0.1, 1.0


class LatentDirichletAllocation(nn.Module):
    """Topics with a Dirichlet prior, mixed by each document; it has no parameters to learn."""

    def __init__(
        self,
        vocabulary: int,
        words: int,
        topics: int = 10,
        topic_prior: float = SPARSE_TOPIC,
        mixture_prior: float = EVEN_MIXTURE,
    ) -> None:
        """Fixes the numbers and the two priors.

        Args:
            vocabulary: V, how many different words there are.
            words: N, the number of words of each document.
            topics: K.
            topic_prior: s, the concentration of a topic's prior; below 1 topics have few words.
            mixture_prior: a, that of a document's; below 1 documents have few topics.

        Raises:
            ValueError: vocabulary or topics is below 2, words below 1, or a concentration not
                above 0.
        """
        super().__init__()
        if vocabulary < 2 or topics < 2 or words < 1:
            raise ValueError(
                f"Expected vocabulary and topics >= 2 and words >= 1; got {vocabulary}, {topics} "
                f"and {words}. A mixture of one topic has nothing to infer."
            )
        if topic_prior <= 0 or mixture_prior <= 0:
            raise ValueError(
                f"Expected topic_prior and mixture_prior above 0; got {topic_prior} and "
                f"{mixture_prior}. Give concentrations."
            )
        self.vocabulary, self.words, self.topics = vocabulary, words, topics
        self.topic_prior, self.mixture_prior = topic_prior, mixture_prior

    def forward(self, x: Tensor) -> Tensor:
        """Generates documents: sites topics and theta, then the observed site x.

        Args:
            x: counts of the words of each document, shape (rows, V).

        Returns:
            The counts, shape (rows, V).

        Raises:
            ValueError: x has another width than V.
        """
        require_shape("x", x, (len(x), self.vocabulary))
        of_topic = x.new_full((self.vocabulary,), self.topic_prior)
        of_document = x.new_full((self.topics,), self.mixture_prior)
        with pyro.plate("topic", self.topics):
            topics = pyro.sample("topics", dist.Dirichlet(of_topic))
        with pyro.plate("data", len(x)):
            theta = pyro.sample("theta", dist.Dirichlet(of_document))
            chances = theta @ topics
            return pyro.sample("x", dist.Multinomial(self.words, chances), obs=x)
