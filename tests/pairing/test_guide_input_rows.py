"""Rows that are not finite, which a network of the guide would read."""

import pyro
import pyro.distributions as dist
import pytest
import torch

import zoo

X = torch.tensor([[0.4], [torch.nan], [-0.2], [2.0]])


def with_missing_rows(x):
    seen = ~x.isnan()
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.Normal(torch.zeros(1), 1.0).to_event(1))
        with pyro.poutine.mask(mask=seen[:, 0]):
            pyro.sample("x", dist.Normal(z, 1.0).to_event(1), obs=x.nan_to_num())


def test_a_network_reads_no_row_that_is_not_finite():
    with pytest.raises(ValueError, match="got .*nan.* in row 1 of argument 0.*PerDatum"):
        zoo.fit(with_missing_rows, "amortised_normal", X, steps=3, compile=False)


def test_parameters_for_each_row_read_none():
    fit = zoo.fit(with_missing_rows, "per_datum", X, steps=3, compile=False)
    assert fit.stopped == "finished"


@pytest.mark.parametrize("optimizer", [["adam"], [2.0], {"adam": 1}])
def test_an_optimizer_that_is_no_name_is_refused(optimizer):
    with pytest.raises(ValueError, match="optimizer"):
        zoo.fit(with_missing_rows, "per_datum", X, steps=3, optimizer=optimizer)
