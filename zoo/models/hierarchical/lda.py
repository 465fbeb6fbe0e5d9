"""Latent Dirichlet allocation: documents mix topics, and topics are distributions over words.

The topics are parameters; how a document mixes them is its latent. The topic of each single word
is summed out: a word is drawn from the document's mixture of the topics. Documents are counts of
words, all of the same length.

Generative process, for documents n, each a row:
    theta_n ~ Dirichlet(a, ..., a)                 (over K topics)
    x_n ~ Multinomial(N, sum_k theta_nk topic_k)   (topic_k over V words, learned)

Topics have no order: training finds them up to their names, from a random start.

Shapes: x (rows, V), theta (rows, K), topics (K, V).
Source: Blei, Ng & Jordan (2003), Latent Dirichlet allocation, sections 3 and 5.3; with encoders,
Srivastava & Sutton (2017), Autoencoding variational inference for topic models.
Departs from the papers: the length of a document is given, and the concentration is not learned.

Nothing is known exactly, but for topics that share no word: then a document's posterior is a
Dirichlet, which the tests compare.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.shapes import require_shape

EVEN_MIXTURE = 1.0


class LatentDirichletAllocation(nn.Module):
    """Topics to learn, mixed by each document.

    Attributes:
        logits: of each topic's words, shape (K, V).
    """

    def __init__(
        self, vocabulary: int, words: int, topics: int = 10, mixture_prior: float = EVEN_MIXTURE
    ) -> None:
        """Fixes the numbers, and draws topics to start from.

        Args:
            vocabulary: V, how many different words there are.
            words: N, the number of words of each document.
            topics: K.
            mixture_prior: a, the concentration of mixtures; below 1 documents have few topics.

        Raises:
            ValueError: vocabulary or topics is below 2, words below 1, or mixture_prior not
                above 0.
        """
        super().__init__()
        if vocabulary < 2 or topics < 2 or words < 1:
            raise ValueError(
                f"Expected vocabulary and topics >= 2 and words >= 1; got {vocabulary}, {topics} "
                f"and {words}. A mixture of one topic has nothing to infer."
            )
        if mixture_prior <= 0:
            raise ValueError(
                f"Expected mixture_prior above 0; got {mixture_prior}. Give a concentration."
            )
        self.words, self.mixture_prior = words, mixture_prior
        self.logits = nn.Parameter(torch.randn(topics, vocabulary))

    @property
    def topics(self) -> Tensor:
        """How often each topic uses each word, shape (K, V)."""
        return self.logits.softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        """Generates documents: site theta, then the observed site x.

        Args:
            x: counts of the words of each document, shape (rows, V).

        Returns:
            The counts, shape (rows, V).

        Raises:
            ValueError: x has another width than V.
        """
        topics, vocabulary = self.logits.shape
        require_shape("x", x, (len(x), vocabulary))
        with pyro.plate("data", len(x)):
            prior = dist.Dirichlet(x.new_full((topics,), self.mixture_prior))
            theta = pyro.sample("theta", prior)
            chances = theta @ self.topics
            return pyro.sample("x", dist.Multinomial(self.words, chances), obs=x)
