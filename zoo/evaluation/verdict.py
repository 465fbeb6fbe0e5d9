"""Three questions about a fit, each answered yes, no, or cannot tell.

- Is the bound as it should be: is no value impossible, and has it stopped rising?
- May the importance weights be trusted, and so the estimates computed from them?
- May the guide's own draws be trusted as draws from the posterior?

A missing metric never counts as a good one: the answer is then "cannot tell", with what to try.
The limits of each question and their sources are in the files `verdict_*.py`. How often
the answer about the draws is right is measured by ``benchmarks/evaluation/verdicts.py``.
"""

from dataclasses import asdict, dataclass

from zoo.evaluation.answers import (
    INAPPLICABLE,
    NO,
    NOTHING_DRAWN,
    NOTHING_LATENT,
    UNSURE,
    YES,
    Answer,
    Found,
    Skipped,
)
from zoo.evaluation.verdict_bound import bound, exact_likelihood, impossible
from zoo.evaluation.verdict_draws import guide_draws
from zoo.evaluation.verdict_evidence import more_evidence
from zoo.evaluation.verdict_weights import weights
from zoo.normals.difficulties import Difficulty


@dataclass(frozen=True)
class Verdict:
    """The three answers; as text they are three lines, and one for each difficulty.

    Attributes:
        bound: is the bound as it should be?
        weights: may the importance weights be trusted?
        draws: may the guide's own draws be trusted?
        difficulties: what is hard about the posterior.
    """

    bound: Answer
    weights: Answer
    draws: Answer
    difficulties: tuple[Difficulty, ...] = ()

    @property
    def questions(self) -> dict[str, dict[str, str]]:
        """Question -> its answer, reason and what to ask for, as JSON."""
        return {name: asdict(getattr(self, name)) for name in ("bound", "weights", "draws")}

    def __str__(self) -> str:
        lines = [
            f"bound as it should be? {self.bound}",
            f"weights to be trusted? {self.weights}",
            f"guide's draws to be trusted? {self.draws}",
            *(f"{one.kind}: {one.sentence}" for one in self.difficulties),
        ]
        return "\n".join(lines)


def verdict(
    found: Found,
    draws: int,
    skipped: Skipped | None = None,
    *,
    trains_model: bool = True,
    difficulties: tuple[Difficulty, ...] = (),
) -> Verdict:
    """The answers to the three questions, from the metrics that were computed.

    Args:
        found: name -> metric.
        draws: draws from the guide for each row, behind k-hat.
        skipped: name -> why a metric could not be computed; it is not asked for again.
        trains_model: has the model parameters of its own that were trained?
        difficulties: what the fit found hard about the posterior. Draws that would be trusted
            are not where there are several modes: weights do not see a mode without draws.
    """
    skipped = skipped or {}
    wrong, trusted = "; ".join(impossible(found)), weights(found, draws, skipped)
    missed = "; ".join(more_evidence(found))
    if missed and trusted.answer != NO:
        trusted = Answer(NO, f"{missed}: the weights see only where the guide has draws")
    if wrong:
        trusted = Answer(NO, f"the density of the guide or of the model is wrong: {wrong}")
    of_bound = bound(found, trusted, skipped, trains_model=trains_model)
    of_draws = guide_draws(found, trusted, skipped, is_wrong=bool(wrong))
    if of_draws.answer == YES and any(one.kind == "multimodal" for one in difficulties):
        of_draws = Answer(UNSURE, "several starts ended in separate modes", "another guide")
    return Verdict(Answer(NO, wrong) if wrong else of_bound, trusted, of_draws, difficulties)


def without_latents(found: Found, skipped: Skipped | None = None) -> Verdict:
    """The verdict on a model without latents: log p(x) is exact, and nothing is inferred.

    Args:
        found: name -> metric.
        skipped: name -> why a metric could not be computed.
    """
    exact = "exact_log_evidence" in found
    none = Answer(INAPPLICABLE, NOTHING_LATENT if exact else NOTHING_DRAWN)
    return Verdict(exact_likelihood(found, skipped or {}), none, none)
