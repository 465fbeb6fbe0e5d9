"""Where the nats go, on probabilistic PCA, where every gap is known."""

import io
from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from rich.console import Console
from small_tasks import best_diagonal_guide, fitted_ppca_task

import zoo
from guides import MeanField, PerDatum
from guides.per_datum_full_rank import PerDatumFullRank
from guides.per_datum_iaf import PerDatumIAF
from zoo.evaluation.gaps import measure_gaps
from zoo.evaluation.local_optimisation import Search
from zoo.latents import describe
from zoo.metrics.weight_diagnostics import k_hat_threshold
from zoo.objectives import StickingTheLanding, Trace
from zoo.task import Task

IDENTITY = 1e-8
SHIFT = torch.tensor([0.3, -0.2])
FEW = StickingTheLanding(4)
BRIEF = Search(block=30, stalls=2, limit=400)


def untrained(task, guide):
    return zoo.fit(task, guide, steps=1, lr=1e-30)


@pytest.fixture(scope="module")
def shifted():
    """An amortised diagonal guide whose mean is off by the same amount on every row."""
    torch.manual_seed(0)
    task = fitted_ppca_task()
    guide = best_diagonal_guide(task)
    with torch.no_grad():
        guide.encoder.heads[0].bias[:2].add_(SHIFT)
    return untrained(task, guide)


@pytest.fixture(scope="module")
def found(shifted):
    return measure_gaps(
        shifted, (PerDatum, PerDatumFullRank), rows=12, draws=500, objective=FEW, search=BRIEF
    )


def agrees(metric, truth):
    return abs(metric.value - truth) < 5 * metric.se


@torch.no_grad()
def known(fit):
    """The gap of the best diagonal normal, and the loss by the shift of its mean."""
    (x,) = fit.task.split("test")
    precision = fit.model.posterior(x)["z"].precision_matrix[0]
    return fit.model.mean_field_gap(x)[0].item(), (0.5 * SHIFT @ precision @ SHIFT).item()


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_gap_has_its_closed_form(shifted, found, split):
    approximation, amortisation = known(shifted)
    metrics = found.splits[split].metrics()
    assert agrees(metrics["approximation/PerDatum"], approximation)
    assert agrees(metrics["amortisation/PerDatum"], amortisation)
    assert agrees(metrics["inference"], approximation + amortisation)
    assert approximation > 10 * metrics["approximation/PerDatum"].se
    assert amortisation > 10 * metrics["amortisation/PerDatum"].se


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_full_normal_loses_nothing(found, split):
    rows = found.splits[split]
    value, error = rows.approximation("PerDatumFullRank")
    assert rows.exact
    assert rows.settled["PerDatumFullRank"]
    assert value.abs().max() < 1e-3 * rows.inference()[0].min()
    assert (value.abs() < 5 * error + IDENTITY).all()


def test_the_gaps_add_up_on_every_row(found):
    for rows in found.splits.values():
        for family in found.families:
            total = rows.approximation(family)[0] + rows.amortisation(family)[0]
            torch.testing.assert_close(total, rows.inference()[0], rtol=IDENTITY, atol=IDENTITY)


def test_gaps_are_alike_on_test_rows_and_the_evidence_is_not_a_gap(shifted, found):
    more = found.generalisation()
    train, test = (shifted.task.split(name)[0][:12] for name in ("train", "test"))
    with torch.no_grad():
        truth = shifted.model.log_evidence(train).mean() - shifted.model.log_evidence(test).mean()
    assert more["log_evidence"].value == pytest.approx(truth.item(), rel=IDENTITY)
    assert agrees(more["inference"], 0)
    assert agrees(more["approximation/PerDatum"], 0)
    assert set(more) == {*found.splits["test"].per_row(), "log_evidence", "elbo"}


@pytest.mark.thorough
def test_a_flow_goes_beyond_the_diagonal(shifted):
    flow, search = partial(PerDatumIAF, hidden=8), Search(block=40, stalls=2, limit=400)
    found = measure_gaps(shifted, (flow,), rows=3, draws=300, objective=Trace(4), search=search)
    gap = found.splits["test"].metrics()["approximation/PerDatumIAF"]
    diagonal, _ = known(shifted)
    assert gap.value > -5 * gap.se
    assert gap.value + 5 * gap.se < 0.2 * diagonal


def test_the_best_amortised_guide_has_no_amortisation_gap():
    task = fitted_ppca_task()
    fit = untrained(task, best_diagonal_guide(task))
    found = measure_gaps(fit, (PerDatum,), rows=10, draws=500, objective=FEW, search=BRIEF)
    assert agrees(found.splits["test"].metrics()["amortisation/PerDatum"], 0)


class Unknown(torch.nn.Module):
    """The same model, which does not say what it knows."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)


@pytest.mark.thorough
def test_the_evidence_is_sampled_where_it_is_not_known():
    known_task = fitted_ppca_task()
    model = known_task.build()
    task = Task("unknown", lambda: Unknown(model), known_task.data)
    fit = untrained(task, best_diagonal_guide(known_task))
    found = measure_gaps(fit, (PerDatumFullRank,), rows=6, draws=500, objective=FEW, search=BRIEF)
    rows = found.splits["test"]
    value, error = rows.log_evidence
    with torch.no_grad():
        truth = model.log_evidence(task.split("test")[0][:6])
    assert not rows.exact
    assert 0 <= rows.k_hat_share <= 1
    assert rows.k_hat_limit == k_hat_threshold(375)  # draws, less the quarter that picks the guide
    assert ((value - truth).abs() < 5 * error + IDENTITY).all()


def test_a_guide_with_free_rows_is_taken_on_train_alone():
    fit = untrained(fitted_ppca_task(), PerDatum)
    found = measure_gaps(fit, (PerDatum,), rows=5, draws=50, search=Search(block=10, limit=20))
    assert list(found.splits) == ["train"]
    assert not found.splits["train"].settled["PerDatum"]
    assert found.splits["train"].steps == {"PerDatum": 20}
    with pytest.raises(ValueError, match="Expected gaps on test and train"):
        found.generalisation()


def test_statements_of_a_function_keep_their_trained_values():
    def model(x):
        scale = pyro.param("scale", torch.tensor(1.0), constraint=dist.constraints.positive)
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
            pyro.sample("x", dist.Normal(z, scale).to_event(1), obs=x)

    x = 2 * torch.randn(12, 2)
    fit = zoo.fit(model, PerDatum, x, steps=60, lr=0.05)
    scale = fit.program.store.values[fit.program.store.names.index("scale")].exp().detach()
    found = measure_gaps(
        fit, (PerDatumFullRank,), rows=12, draws=100, objective=FEW, search=BRIEF
    ).splits["train"]
    truth = dist.Normal(0.0, (1 + scale**2).sqrt()).log_prob(x).sum(-1)
    assert abs(scale - 1) > 0.1
    torch.testing.assert_close(found.local["PerDatumFullRank"][0], truth, rtol=1e-4, atol=1e-4)


def test_shared_latents_are_refused():
    x = torch.randn(10)

    def model(x):
        loc = pyro.sample("loc", dist.Normal(0.0, 1.0))
        with pyro.plate("data", len(x)):
            pyro.sample("x", dist.Normal(loc, 1.0), obs=x)

    fit = zoo.fit(model, MeanField, x, steps=1)
    with pytest.raises(ValueError, match=r"latents \['loc'\] are shared by all rows"):
        measure_gaps(fit, (PerDatum,))


def test_too_few_draws_are_refused(shifted):
    with pytest.raises(ValueError, match="draws to be a whole number of at least 20; got 10"):
        measure_gaps(shifted, (PerDatum,), draws=10)


def test_one_split_alone(shifted):
    found = measure_gaps(
        shifted, [PerDatum], rows=3, draws=20, objective=FEW, search=BRIEF, split="test"
    )
    assert list(found.splits) == ["test"]
    assert found.table().row_count == 3
    with pytest.raises(ValueError, match=r"on test and train; got \['test'\]"):
        found.generalisation()
    with pytest.raises(ValueError, match="split to be one of 'train', 'test'; got 'valid'"):
        measure_gaps(shifted, [PerDatum], rows=3, draws=20, split="valid")


def test_a_fit_is_left_as_it_was(shifted):
    before = {name: value.clone() for name, value in shifted.program.state_dict().items()}
    random = torch.get_rng_state()
    measure_gaps(shifted, (PerDatum,), rows=3, draws=20, search=Search(block=5, limit=5))
    assert torch.equal(random, torch.get_rng_state())
    for name, value in shifted.program.state_dict().items():
        assert torch.equal(value, before[name])


def test_the_table_has_a_line_for_every_gap(found):
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(found.table())
    text = console.export_text()
    for name in found.splits["test"].per_row():
        assert name in text


# The local families


def positive_rows(x):
    with pyro.plate("data", len(x)):
        z = pyro.sample("z", dist.LogNormal(0.0, 1.0))
        w = pyro.sample("w", dist.Normal(x.new_zeros(2), 1.0).to_event(1))
        pyro.sample("x", dist.Normal(z + w.sum(-1), 1.0), obs=x)


@pytest.mark.parametrize("family", [PerDatumFullRank, PerDatumIAF])
def test_density_is_the_change_of_variables(family):
    x = torch.randn(4)
    guide = family(describe(positive_rows, x))
    with torch.no_grad():
        for parameter in guide.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    trace = poutine.trace(guide).get_trace(x)
    trace.compute_log_prob()
    q, u = (trace.nodes["joint_of_row"][key] for key in ("fn", "value"))

    def pushed(noise):
        for step in q.transforms:
            noise = step(noise)
        return noise

    noise = q.base_dist.sample()
    jacobian = torch.autograd.functional.jacobian(pushed, noise)
    blocks = torch.stack([jacobian[row, :, row] for row in range(4)])
    log_q = q.base_dist.log_prob(noise) - torch.linalg.det(blocks).abs().log()
    torch.testing.assert_close(q.log_prob(pushed(noise).clone()), log_q)
    for row in range(4):
        assert jacobian[row][:, [i for i in range(4) if i != row]].abs().max() == 0
    z = trace.nodes["z"]["value"]
    torch.testing.assert_close(z, u[:, 0].exp(), rtol=IDENTITY, atol=IDENTITY)
    torch.testing.assert_close(trace.nodes["z"]["log_prob"], -z.log())


@pytest.mark.parametrize("family", [PerDatum, PerDatumFullRank, PerDatumIAF])
def test_a_local_guide_starts_at_the_moments_of_draws(family):
    x = torch.randn(3)
    guide = family(describe(positive_rows, x))
    factor = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.8, 0.0], [-0.3, 0.2, 0.4]])
    u = torch.randn(4000, 3, 3) @ factor.mT + torch.arange(3.0)[:, None]
    guide.start({"z": u[..., 0].exp(), "w": u[..., 1:]})
    with pyro.plate("particles", 4000, dim=-2):
        values = guide(x)
    again = torch.cat([values["z"].log().unsqueeze(-1), values["w"]], dim=-1)
    error = u.std(0) * (2 / 4000) ** 0.5
    assert ((again.mean(0) - u.mean(0)).abs() < 5 * error).all()
    assert ((again.std(0) - u.std(0)).abs() < 5 * error).all()


def test_rows_of_one_value_are_too_few_for_a_flow():
    def model(x):
        with pyro.plate("data", len(x)):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x)

    with pytest.raises(ValueError, match="at least 2 values in a row for PerDatumIAF; got 1"):
        PerDatumIAF(describe(model, torch.randn(3)))


def test_other_plates_are_refused():
    def model(x):
        with pyro.plate("parts", 2, dim=-2), pyro.plate("data", len(x), dim=-1):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
            pyro.sample("x", dist.Normal(z, 1.0), obs=x.expand(2, -1))

    with pytest.raises(ValueError, match="'z' lies in the plates .* Use PerDatum"):
        PerDatumFullRank(describe(model, torch.randn(3)))
