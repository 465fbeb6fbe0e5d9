"""Which steps run on one thread: those that compute with small tensors, however large the data."""

import pytest
import torch

import guides
from zoo.compile.capture import capture
from zoo.compile.step_loop import SMALL, is_small
from zoo.isolation import isolated
from zoo.models.regression.logistic_regression import LogisticRegression
from zoo.objectives import Trace
from zoo.optim.update import Update
from zoo.results.result import Settings
from zoo.task import given
from zoo.training.run import prepare

ROWS, FEATURES = 2**14, 10


def captured(batch):
    task = given(LogisticRegression(FEATURES), (torch.randn(ROWS, FEATURES), torch.ones(ROWS)))
    settings = Settings(Trace(), 5, Update(lr=0.01), batch, 0)
    with isolated(seed=0):
        trainer = prepare(task, guides.FullRank, settings, "cpu", None).trainer
        return capture(trainer.program, trainer.rows, trainer.parameters)


@pytest.mark.parametrize(("batch", "small"), [(50, True), (None, False), (ROWS - 1, False)])
def test_data_that_minibatches_are_picked_from_do_not_count(batch, small):
    assert ROWS * FEATURES > SMALL
    assert is_small(captured(batch)) is small
