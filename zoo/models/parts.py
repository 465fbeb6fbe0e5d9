"""Names of the parts that a model is put together from, and the parts that they stand for.

The parts are chosen by `zoo.load("vae", prior="vamp", ...)` or `zoo fit vae --prior vamp ...`; the
recipe of a model gives its usual ones, and leaves out those that it does not have.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace

from torch import nn

from zoo.catalogue.python import said_of
from zoo.checks.arguments import keep_whole, keep_wholes
from zoo.data import Data
from zoo.decoders import DECODERS
from zoo.errors import unknown
from zoo.likelihoods import LIKELIHOODS
from zoo.models.shapes import require_groups
from zoo.priors import PRIORS

LARGEST_LATENT = 100_000


@dataclass(frozen=True)
class Parts:
    """Names of the parts of a model; None where it has no such part, or none was asked for.

    Attributes:
        prior: a name of `zoo.priors.PRIORS`.
        likelihood: a name of `zoo.likelihoods.LIKELIHOODS`.
        decoder: a name of `zoo.decoders.DECODERS`.
        latent: number of latent dimensions M.
        groups: numbers of latents of a hierarchy's groups, or of a net's layers, the top first.

    Raises:
        ValueError: for an unknown name, or fewer than one dimension.
    """

    prior: str | None = None
    likelihood: str | None = None
    decoder: str | None = None
    latent: int | None = None
    groups: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        _known("prior", self.prior, PRIORS)
        _known("likelihood", self.likelihood, LIKELIHOODS)
        _known("decoder", self.decoder, DECODERS)
        if self.latent is not None:
            keep_whole(self, "latent", most=LARGEST_LATENT)
        if self.groups is not None:
            keep_wholes(self, "groups", way="Pass e.g. groups=(8, 16), the top one first.")
            require_groups(self.groups)

    @property
    def given(self) -> dict[str, str | int | tuple[int, ...]]:
        """The parts that are there, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @property
    def recognises(self) -> bool:
        """Has the prior a network that recognises whole rows?"""
        return self.prior is not None and PRIORS[self.prior].recognises

    def over(self, model: str, usual: Mapping[str, "Parts"]) -> "Parts":
        """These parts where they were asked for, else the usual ones of a model.

        Args:
            model: its name.
            usual: of every model, by name.

        Raises:
            ValueError: if the model has no such part.
        """
        for name, value in self.given.items():
            if name not in usual[model].given:
                others = ", ".join(other for other, parts in usual.items() if name in parts.given)
                raise ValueError(
                    f"{model} has no option {name}; got '{value}'. Leave it out, or use a model "
                    f"with one: {others}."
                )
        return replace(usual[model], **self.given)  # type: ignore[arg-type]


def _known(part: str, name: str | None, table: Collection[str]) -> None:
    if name is not None and not (isinstance(name, str) and name in table):
        said = said_of(part, name)
        raise unknown(part, name, table) if said is None else ValueError(said)


def prior_of(data: Data, parts: Parts) -> nn.Module:
    """The prior, with fresh parameters.

    Raises:
        ValueError: if the prior does not go with so many latent dimensions.
    """
    assert parts.prior is not None
    assert parts.latent is not None
    return PRIORS[parts.prior].build(parts.latent, data.features)


def decoder_of(data: Data, parts: Parts, likelihood: nn.Module) -> nn.Module:
    """The decoder that gives the likelihood its numbers, with fresh parameters.

    Raises:
        ValueError: if the decoder is for pictures, and the rows are none.
    """
    assert parts.decoder is not None
    assert parts.latent is not None
    numbers = int(likelihood.numbers)  # type: ignore[arg-type]
    return DECODERS[parts.decoder](parts.latent, data.features, numbers, data.image)


def usual_binarization(parts: Parts) -> str | None:
    """None where the data's own is usual, "none" where the likelihood is not for bits."""
    chosen = LIKELIHOODS.get(parts.likelihood or "")
    return "none" if chosen is not None and chosen.takes != "bits" else None


def check_likelihood(name: str, data: Data) -> None:
    """Refuses a likelihood that is not for these data.

    Raises:
        ValueError: saying which data, what they hold, and what to do.
    """
    takes = LIKELIHOODS[name].takes
    holds = f"{data.levels} grey levels" if data.levels else "real numbers"
    if takes == "bits" and data.levels != 2:
        raise ValueError(
            f"Likelihood '{name}' takes pixels of 0 and 1; data '{data.name}' with "
            f"binarize='{data.binarize}' hold {holds}. Use another binarize, or a likelihood "
            f"for {holds}: {', '.join(_for(data))}."
        )
    if takes == "levels" and not data.levels:
        raise ValueError(
            f"Likelihood '{name}' takes grey levels; data '{data.name}' hold {holds}. Use a "
            f"likelihood for {holds}: {', '.join(_for(data))}."
        )


def _for(data: Data) -> list[str]:
    kinds = {"levels", "numbers"} if data.levels else {"numbers"}
    return [name for name, choice in LIKELIHOODS.items() if choice.takes in kinds]
