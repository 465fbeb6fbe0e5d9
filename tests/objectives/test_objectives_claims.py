"""What the pages of the objectives claim, on a model whose bounds are sums."""

import pytest
import torch

from zoo.objectives.target import Elbo, PowerMean

LOG_P = torch.tensor([[0.1], [0.3], [0.05], [0.2]]).log()
LOG_Q = torch.tensor([[0.4], [0.1], [0.3], [0.2]]).log()


@pytest.mark.parametrize(("alpha", "sign"), [(0.0, 1), (0.5, 1), (-1.0, 1), (2.0, -1), (3.0, -1)])
def test_renyis_bound_grows_with_the_particles_below_order_one_and_falls_above(alpha, sign):
    values = [float(PowerMean(count, alpha).exact(LOG_P, LOG_Q)) for count in (1, 2, 3, 4)]
    assert values[0] == pytest.approx(float(Elbo().exact(LOG_P, LOG_Q)))
    assert all(
        sign * (after - before) > 0 for before, after in zip(values, values[1:], strict=False)
    )
