"""A factorisation that fails inside a captured step: NaN, and the fit says that it diverged."""

import pyro
import pyro.distributions as dist
import pytest
import torch
from steps import a_capture, interpreted
from torch.fx.experimental.proxy_tensor import make_fx

import zoo
from guides import MeanField
from zoo.compile.graph_passes import CHECK, poison_failures


def root(matrix):
    return torch.linalg.cholesky(matrix) @ torch.ones(2)


def poisoned(example):
    graph = make_fx(root)(example)
    assert any(node.target is CHECK for node in graph.graph.nodes)
    poison_failures(graph)
    graph.recompile()
    assert not any(node.target is CHECK for node in graph.graph.nodes)
    return graph


def test_a_factor_that_exists_is_itself_and_one_that_does_not_is_nan():
    good, bad = torch.tensor([[2.0, 0.5], [0.5, 1.0]]), torch.tensor([[1.0, 2.0], [2.0, 1.0]])
    assert torch.equal(poisoned(good)(good), root(good))
    assert poisoned(good)(bad).isnan().any()
    both = poisoned(torch.stack([good, good]))(torch.stack([good, bad]))
    assert torch.equal(both[0], root(good))
    assert both[1].isnan().any()


def drifting(y):
    """Its covariance is positive definite only while |a| < 1."""
    a = pyro.param("a", torch.tensor(0.5))
    covariance = torch.eye(2) + a * (1 - torch.eye(2))
    z = pyro.sample("z", dist.MultivariateNormal(torch.zeros(2), covariance))
    pyro.sample("y", dist.Normal(z, 0.1).to_event(1), obs=y)


def test_a_captured_step_holds_no_check():
    with a_capture(drifting, MeanField, (torch.tensor([1.0, 1.1]),)) as (captured, _, _):
        targets = {node.target for node in captured.pieces.graph.nodes}
    assert CHECK not in targets


def test_a_compiled_fit_that_leaves_the_definite_matrices_diverges(monkeypatch):
    monkeypatch.setattr("zoo.training.compiled_trainer.compile_block", interpreted)
    y = torch.tensor([1.0, 1.0])
    with pytest.raises(zoo.DivergenceError):
        zoo.fit(drifting, MeanField, y, steps=200, lr=0.05, compile=True)
