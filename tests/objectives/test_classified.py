"""The bound with a classifier's term: each label counts once, in a minibatch too."""

import pytest
import torch
from cases import MODEL_CASES, built, clock
from joint import close

from guides import SemiSupervised
from zoo.objectives import Classified, Enumerate

ROWS = 4


@pytest.mark.parametrize("batch", [ROWS, 2])
def test_the_classifier_counts_each_label_once(batch):
    model, args = MODEL_CASES["semi_supervised_vae"].make(rows=ROWS)
    part, values = tuple(arg[:batch] for arg in args), []
    for objective in (Enumerate(), Classified(0.0), Classified(1.5)):
        with built(model, SemiSupervised, objective, part, rows=ROWS) as program:
            torch.manual_seed(1)
            values.append(program(clock(), torch.arange(batch), *part))
            chance = program.guide.classifier(part[0]).log_softmax(-1)
    close(values[1], values[0])
    close(values[2] - values[0], -1.5 * ROWS / batch * (chance * part[1]).sum())


def test_it_is_a_bound_of_log_p_with_any_alpha():
    """As no log-probability of a class is above 0."""
    assert Classified().value_is_bound
    assert Classified().target.guide is None
    assert Classified(alpha=0.0).target.guide is not None
    with pytest.raises(ValueError, match=r"Expected alpha of at least 0; got -1\.0"):
        Classified(alpha=-1.0)
