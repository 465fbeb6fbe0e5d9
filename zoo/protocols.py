"""What a model may offer, each by having a method: nothing is inherited, nothing is registered.

To a guide it may offer a network to share, a path to walk down, widths of layers to mirror; to
the evaluation what it knows exactly: its evidence, its posterior, its posterior's moments.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch import Tensor, nn
from torch.distributions import Distribution

Model = Callable[..., object]  # a Pyro model: a function, a method or a module


@runtime_checkable
class Recognises(Protocol):
    """A module with a recognition network of its own, such as the VampPrior's."""

    def recognise(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and scale of q(z | x): rows (..., D) -> (..., M) each."""
        ...


def recogniser_of(model: object) -> Recognises | None:
    """The model itself or the first of its parts that recognises; None if there is none."""
    parts = model.modules() if isinstance(model, nn.Module) else ()
    return next((part for part in parts if isinstance(part, Recognises)), None)


@runtime_checkable
class Descends(Protocol):
    """A hierarchical model whose groups of latents hang on one path from the top to the data."""

    groups: tuple[int, ...]  # sizes, the top group's first
    width: int  # of the path

    @property
    def names(self) -> tuple[str, ...]:
        """The groups' sites from the top."""
        ...

    def enter(self, z: Tensor) -> Tensor:
        """The path below the top group: (..., M_L) -> (..., width)."""
        ...

    def group(self, level: int, path: Tensor) -> tuple[Tensor, Tensor]:
        """Prior mean and scale of the group `level` steps below the second: (..., M_l) each."""
        ...

    def descend(self, level: int, path: Tensor, z: Tensor) -> Tensor:
        """The path below that group: (..., width)."""
        ...


class Canvas(Protocol):
    """Where the drawing of a row stands."""

    @property
    def hidden(self) -> Tensor:
        """State of the network that draws, (..., width)."""
        ...


@runtime_checkable
class Drawn(Protocol):
    """A model that draws a row step by step on a canvas, with a latent for each step."""

    groups: tuple[int, ...]  # size of each step's latent, all equal
    width: int  # of the state of the network that draws
    window: int | None  # side of the window that a step writes through
    image: tuple[int, int] | None  # height and width of a row

    @property
    def names(self) -> tuple[str, ...]:
        """The steps' sites, from the first."""
        ...

    def start(self) -> Canvas:
        """The drawing before the first step."""
        ...

    def advance(self, drawing: Canvas, z: Tensor) -> Canvas:
        """The drawing after one more step with the latent z, (..., M)."""
        ...

    def expected(self, drawing: Canvas) -> Tensor:
        """What the canvas shows: (..., D)."""
        ...


@runtime_checkable
class Mirrored(Protocol):
    """A model that says itself what an encoder is to mirror.

    Its layers do not stand in a row, or its posterior mean is linear in a row of the data.
    """

    @property
    def encoder_hidden(self) -> tuple[int, ...]:
        """Widths of an encoder's hidden layers, from data to latents; () for a linear encoder."""
        ...


@runtime_checkable
class DrawnInTurn(Protocol):
    """A distribution of a row whose elements are drawn one after the other."""

    @property
    def passes(self) -> int:
        """How many times a draw runs the whole network."""
        ...


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
class HasExactDraws(Protocol):
    """A model that can draw from its posterior: independent draws, without a Markov chain."""

    def exact_draws(self, count: int, *args: Tensor) -> dict[str, Tensor]:
        """Independent draws of the exact posterior.

        Args:
            count: number of draws.
            *args: the arguments of the model's forward.

        Returns:
            Site name -> draws, shape (count, ...).
        """
        ...


@runtime_checkable
class HasOtherForm(Protocol):
    """A model that can also be written by other latents, in which NUTS moves more easily."""

    def in_other_form(self, *args: Tensor) -> object:
        """The same joint density as a Pyro model with other latents, as many numbers in all.

        The latents of forward are pyro.deterministic sites of it. `zoo.reference` samples this
        form, after it has held its density to that of forward, and stores the latents of forward.

        Args:
            *args: the arguments of the model's forward.
        """
        ...


@runtime_checkable
class HasMeanField(Protocol):
    """A model of binary latents that knows the updates of independent means of its latents."""

    def mean_field(self, x: Tensor, sweeps: int) -> dict[str, Tensor]:
        """Logits of the latents after so many sweeps of coordinate ascent on the bound.

        Args:
            x: data rows, shape (rows, D).
            sweeps: updates of each latent site.

        Returns:
            Site -> logits, (rows, *event).
        """
        ...


@runtime_checkable
class HasChains(Protocol):
    """A model with an energy that can say what its sites hold at a state of a Gibbs chain."""

    def sites_of(self, left: Tensor) -> dict[str, Tensor]:
        """Values of the sites, the data's too, where the energy's left units have this state.

        Args:
            left: states of the left units, shape (draws, units).

        Returns:
            Site -> (draws, ...). What the model draws given these units may be random.
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
