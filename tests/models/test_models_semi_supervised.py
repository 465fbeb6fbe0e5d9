"""The semi-supervised VAE: labels that are known or summed out, its bounds and its classifier."""

from dataclasses import replace

import pyro.distributions as dist
import pytest
import torch
from cases import ERRORS, MODEL_CASES, built, clock, scatter, standard_error
from joint import close, log_joint
from steps import a_capture, equal_on_fresh_inputs

import zoo
from guides import AmortisedNormal, SemiSupervised
from zoo.data import load_data
from zoo.latents import describe
from zoo.models.vaes.semi_supervised_vae import SemiSupervisedVAE
from zoo.objectives import IWAE, Classified, Enumerate, LeaveOneOut, Trace

GRID = torch.linspace(-10.0, 10.0, 8001).double()
STEP = (GRID[1] - GRID[0]).log()
CLASSES, ROWS = 3, 4


def tiny():
    """One code, so that everything is a sum over classes of an integral over a line."""
    model = SemiSupervisedVAE(3, CLASSES, (4,), 1)
    scatter(model, spread=1.0)
    return model


def rows(labelled=(1.0, 0.0, 1.0, 0.0)):
    x = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    known = torch.tensor(labelled)[:, None]
    return x, torch.eye(CLASSES)[[0, 1, 2, 0]] * known, known


def of_each_class(model, x):
    """log p(y) p(z) p(x | y, z) at every class and point of the grid: (classes, grid, rows)."""
    z = GRID[:, None, None]
    log_z = dist.Normal(0.0, 1.0).log_prob(z)[..., 0]
    each = [model.of_x(y, z).log_prob(x) + log_z for y in torch.eye(CLASSES)]
    return torch.stack(each) - torch.tensor(float(CLASSES)).log()


def evidence(model, x, label, labelled):
    """log p(x, label) of rows with a label, log sum_y p(x, y) of the others: (rows,)."""
    each = of_each_class(model, x).logsumexp(1) + STEP
    known = (each.mT * label).sum(-1)
    return torch.where(labelled[:, 0] > 0, known, each.logsumexp(0))


@pytest.mark.parametrize("known", [0.0, 1.0])
def test_the_joint_is_made_from_the_label_where_there_is_one(known):
    model, (x, label, labelled) = tiny(), rows((known,) * ROWS)
    y, z = torch.eye(CLASSES)[[1, 2, 0, 1]], torch.randn(ROWS, 1)
    found = log_joint(model, {"y": y, "z": z}, x, label, labelled)
    shown = label if known else y
    expected = dist.Bernoulli(logits=model.decoder(torch.cat([shown, z], -1))).log_prob(x).sum(-1)
    expected = expected + dist.Normal(0.0, 1.0).log_prob(z).sum(-1)
    close(found, expected - (1 + known) * torch.tensor(float(CLASSES)).log())


def test_the_class_is_summed_out_of_the_model_exactly():
    """Of a labelled row the label counts once, however many values its unused y has."""
    model, args = tiny(), rows()
    with built(model, AmortisedNormal, Enumerate(), args) as program, torch.no_grad():
        torch.manual_seed(3)
        found = -program(clock(), None, *args)
        torch.manual_seed(3)
        z = program.guide(*args)["z"]
        q = program.guide.encoder(args)[0].chunk(2, -1)
        log_q = dist.Normal(q[0], torch.nn.functional.softplus(q[1]) + 1e-12).log_prob(z)[:, 0]
        each = torch.stack(
            [
                program.model.of_x(y.expand(ROWS, -1), z).log_prob(args[0])
                for y in torch.eye(CLASSES)
            ]
        )
        each = each + dist.Normal(0.0, 1.0).log_prob(z)[:, 0] - torch.tensor(3.0).log()
        total = torch.where(args[2][:, 0] > 0, (each.mT * args[1]).sum(-1), each.logsumexp(0))
    close(found, (total - log_q).sum())


def guided_elbo(model, guide, x, label, labelled):
    """The guide's exact ELBO, by a sum over classes and a grid over the code: (rows,)."""
    log_y = torch.where(labelled > 0, torch.zeros(()), guide.classifier(x)).log_softmax(-1)
    terms = []
    for k, y in enumerate(torch.eye(CLASSES)):
        used = torch.where(labelled > 0, label, y.expand(ROWS, -1))
        loc, scale = guide.encoder(torch.cat([x, used], -1)).chunk(2, -1)
        q = dist.Normal(loc[:, 0], torch.nn.functional.softplus(scale[:, 0]) + 1e-12)
        log_q, z = q.log_prob(GRID[:, None]), GRID[:, None, None]
        log_p = model.of_x(used.expand(len(GRID), -1, -1), z.expand(-1, ROWS, 1)).log_prob(x)
        log_p = log_p + dist.Normal(0.0, 1.0).log_prob(z)[..., 0]
        # A label adds its log p; the y of that row keeps its prior, which cancels with log q.
        log_p = log_p - torch.tensor(3.0).log() * (1 + labelled[:, 0])
        inner = (((log_q + STEP).exp()) * (log_p - log_q - log_y[:, k])).sum(0)
        terms.append(log_y[:, k].exp() * inner)
    return torch.stack(terms).sum(0)


@pytest.mark.thin(3)
@pytest.mark.parametrize("objective", [Enumerate(), Trace(), Classified(alpha=0.0)], ids=str)
def test_the_bound_is_the_guides_elbo(objective):
    model, args = tiny(), rows()
    with built(model, SemiSupervised, objective, args) as program, torch.no_grad():
        exact = guided_elbo(program.model, program.guide, *args).sum()
        truth = evidence(program.model, *args).sum()
        found = -torch.stack([program(clock(), None, *args) for _ in range(300)])
    assert (found.mean() - exact).abs() < ERRORS * standard_error(found)
    assert exact < truth


def test_many_draws_come_near_to_the_evidence():
    model, args, found = tiny(), rows(), {}
    for objective in (Trace(), IWAE(300)):
        with built(model, SemiSupervised, objective, args) as program, torch.no_grad():
            truth = evidence(program.model, *args).sum()
            found[objective] = -torch.stack([program(clock(), None, *args) for _ in range(100)])
    elbo, iwae = found.values()
    assert iwae.mean() < truth + ERRORS * standard_error(iwae)
    assert truth - iwae.mean() < 0.1 * (truth - elbo.mean())


@pytest.mark.exhaustive
@pytest.mark.parametrize("objective", [Trace(2), LeaveOneOut()], ids=str)
def test_drawing_the_class_has_the_gradient_of_the_sum(objective):
    model, args, grads = tiny(), rows(), {}
    for one, draws in ((Enumerate(), 1500), (objective, 3000)):
        with built(model, SemiSupervised, one, args) as program:
            found = []
            for _ in range(draws):
                program.zero_grad()
                program.backward(clock(), None, *args)
                found.append(torch.cat([p.grad.flatten() for p in program.parameters()]))
        grads[one] = torch.stack(found)
    one, two = grads.values()
    error = (one.var(0) / len(one) + two.var(0) / len(two)).sqrt()
    assert ((one.mean(0) - two.mean(0)).abs() <= ERRORS * error + 1e-12).all()


@pytest.mark.thin(2)
@pytest.mark.parametrize("objective", [Classified(), Enumerate(), LeaveOneOut()], ids=str)
def test_captured_equals_plain(objective):
    made, args = MODEL_CASES["semi_supervised_vae"].make()
    with a_capture(made, SemiSupervised, args, objective, batch=3) as parts:
        assert equal_on_fresh_inputs(*parts)


def test_what_is_not_for_it_is_refused():
    made, args = MODEL_CASES["semi_supervised_vae"].make()
    latents = describe(made, *args)
    for other in (latents.select("y"), latents.select("z"), replace(latents, row_widths=(6, 3))):
        with pytest.raises(ValueError, match="SemiSupervised is for one one-hot latent"):
            SemiSupervised(other)
    with pytest.raises(ValueError, match="Expected at least 2 classes; got 1"):
        SemiSupervisedVAE(3, 1)
    x, label, labelled = args
    for wrong, name in (
        ((x[:, 1:], label, labelled), "x"),
        ((x, x, labelled), "label"),
        ((x, label, label), "labelled"),
    ):
        with pytest.raises(ValueError, match=f"Expected {name} of shape"):
            made(*wrong)


@pytest.mark.parametrize("count", [50, 100, 300])
def test_few_rows_keep_their_label(count):
    data, whole = load_data(f"digits_{count}_labels", seed=2), load_data("digits_labels", seed=2)
    x, label, labelled = data.train
    assert torch.equal(x, whole.train[0])
    assert torch.equal(label, whole.train[1] * labelled)
    assert torch.equal(label.sum(0), torch.full((10,), count / 10))
    assert not data.test[1].any()
    assert not data.test[2].any()
    assert torch.equal(data.test[0], whole.test[0])
    other = load_data(f"digits_{count}_labels", seed=3)
    assert not torch.equal(other.train[2], labelled)


def test_a_classifier_is_saved_with_its_fit(tmp_path):
    task = zoo.load("semi_supervised_vae")
    fit = zoo.fit(task, SemiSupervised, steps=3, device="cpu", compile=False)
    x = task.split("test")[0]
    zoo.save(fit, tmp_path / "fit")
    close(zoo.load_fit(tmp_path / "fit").guide.probabilities(x), fit.guide.probabilities(x))
