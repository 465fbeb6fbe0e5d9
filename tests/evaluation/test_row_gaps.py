"""What makes a gap doubtful stands in its note and under the table."""

from dataclasses import replace

import torch

from zoo.evaluation.gaps import Gaps
from zoo.evaluation.row_gaps import RowGaps

HIGH = "k-hat above 0.61 for 30 % of rows: log p(x) is a lower bound"
LATE = "local q of PerDatum not settled after 70 steps"


def rows():
    """Ten rows, a poor proposal for three of them, and a family that had not come to rest."""
    nought = torch.zeros(10)
    return RowGaps(
        split="train",
        log_evidence=(nought, nought),
        exact=False,
        amortised=(nought - 2, nought),
        local={"PerDatum": (nought - 1, nought), "PerDatumFullRank": (nought, nought)},
        steps={"PerDatum": 70, "PerDatumFullRank": 40},
        settled={"PerDatum": False, "PerDatumFullRank": True},
        k_hat_share=0.3,
        k_hat_limit=0.61,
    )


def sound():
    settled = {"PerDatum": True, "PerDatumFullRank": True}
    return replace(rows(), settled=settled, k_hat_share=0.0)


def test_every_note_says_what_its_gap_rests_on():
    said = {
        "inference": [HIGH],
        "approximation/PerDatum": [HIGH, LATE],
        "approximation/PerDatumFullRank": [HIGH],
        "amortisation/PerDatum": [LATE],
        "amortisation/PerDatumFullRank": [],
    }
    plain = sound().metrics()
    for name, metric in rows().metrics().items():
        assert metric == replace(plain[name], note="; ".join([plain[name].note, *said[name]]))
    assert set(said) == set(plain)


def test_the_caption_says_each_doubt_once():
    families = "PerDatum", "PerDatumFullRank"
    found = Gaps({"train": rows(), "test": replace(sound(), split="test")}, families)
    assert found.table().caption == f"train: {HIGH}\ntrain: {LATE}"
    assert Gaps({"train": sound()}, families).table().caption is None
