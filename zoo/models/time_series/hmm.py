"""Hidden Markov model of many short series.

A hidden state takes one of K values at each of T times, and a number that depends on it is
observed. Each time has a latent site of its own, given the one before, so any guide for discrete
latents can be used. The forward algorithm sums over all K^T paths, which gives the exact evidence.

Generative process, for each row n:
    z_n0 ~ OneHotCategorical(pi)
    z_nt ~ OneHotCategorical(A_k), k the state that z_n(t-1) names
    x_nt ~ N(mu_k, s_k^2), k the state that z_nt names

Shapes: x (rows, T), z_0 .. z_(T-1) each (rows, K), initial_logits log pi (K,), transition_logits
log A (K, K), from row to column, means mu (K,), log_scales log s (K,).
Source: Rabiner (1989), A tutorial on hidden Markov models and selected applications in speech
recognition, Proceedings of the IEEE 77(2).
Departs from the paper: outcomes are normal; there are many series, and each is short.

Log-prior, mean and log s are linear in the z_t, which are not checked to be at a vertex, so
relaxed z_t work.
"""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from zoo.models.exact_sums import one_hot_moments
from zoo.models.shapes import require_shape


class HiddenMarkov(nn.Module):
    """Hidden Markov model with normal outcomes; the state at each time is a latent site."""

    def __init__(self, length: int, states: int = 3) -> None:
        """Starts with states that tend to stay, random means and unit scales.

        Args:
            length: number of times T.
            states: number of states K, at least 2.

        Raises:
            ValueError: there is no time, or there are fewer than two states.
        """
        super().__init__()
        if length < 1 or states < 2:
            raise ValueError(
                f"Expected length >= 1 and states >= 2; got length={length}, states={states}. "
                "Give series of at least one time, and at least two states."
            )
        self.length = length
        self.initial_logits = nn.Parameter(torch.zeros(states))
        self.transition_logits = nn.Parameter(torch.eye(states))
        self.means = nn.Parameter(torch.randn(states))
        self.log_scales = nn.Parameter(torch.zeros(states))

    def forward(self, x: Tensor) -> Tensor:
        """Generates series: sites z_0 .. z_(T-1), then the observed site x.

        Args:
            x: data, shape (rows, T).

        Returns:
            The observed series, shape (rows, T).

        Raises:
            ValueError: x has another width than T.
        """
        require_shape("x", x, (len(x), self.length))
        logits: Tensor = self.initial_logits
        transition, path = self.transition_logits.log_softmax(-1), []
        with pyro.plate("data", len(x)):
            for t in range(self.length):
                prior = dist.OneHotCategorical(logits=logits, validate_args=False)
                path.append(pyro.sample(f"z_{t}", prior))
                logits = path[-1] @ transition
            z = torch.stack(torch.broadcast_tensors(*path), -2)
            outcome = dist.Normal(z @ self.means, (z @ self.log_scales).exp())
            return pyro.sample("x", outcome.to_event(1), obs=x)

    def log_evidence(self, x: Tensor) -> Tensor:
        """Exact log p(x) by the forward algorithm.

        Args:
            x: data, shape (rows, T).

        Returns:
            Nats, shape (rows,).
        """
        return self.forward_messages(x)[:, -1].logsumexp(-1)

    def posterior_moments(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Exact posterior mean and standard deviation of each z_t, by forward and backward passes.

        Args:
            x: data, shape (rows, T).

        Returns:
            Site z_t -> (mean, sd), each of shape (rows, K).
        """
        logits = self.forward_messages(x) + self.backward_messages(x)
        return {f"z_{t}": one_hot_moments(logits[:, t]) for t in range(self.length)}

    def forward_messages(self, x: Tensor) -> Tensor:
        """Log p(x_0 .. x_t, z_t = k), nats: (rows, T) -> (rows, T, K)."""
        emission, transition = self.log_likelihood(x), self.transition_logits.log_softmax(-1)
        messages = [self.initial_logits.log_softmax(-1) + emission[:, 0]]
        for t in range(1, self.length):
            reached = (messages[-1][:, :, None] + transition).logsumexp(1)
            messages.append(reached + emission[:, t])
        return torch.stack(messages, 1)

    def backward_messages(self, x: Tensor) -> Tensor:
        """Log p(x_(t+1) .. x_(T-1) | z_t = k), nats: (rows, T) -> (rows, T, K)."""
        emission, transition = self.log_likelihood(x), self.transition_logits.log_softmax(-1)
        messages = [torch.zeros_like(emission[:, 0])]
        for t in range(self.length - 1, 0, -1):
            messages.append((transition + (emission[:, t] + messages[-1])[:, None]).logsumexp(-1))
        return torch.stack(messages[::-1], 1)

    def log_likelihood(self, x: Tensor) -> Tensor:
        """Log p(x_t | z_t = k), nats: (rows, T) -> (rows, T, K)."""
        return dist.Normal(self.means, self.log_scales.exp()).log_prob(x[..., None])
