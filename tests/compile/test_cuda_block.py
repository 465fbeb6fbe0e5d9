"""The block for CUDA, on the CPU: recordings are a tape's, or calls of the same function."""

from functools import partial

import pyro
import pyro.distributions as dist
import pytest
import torch
from cases import MODEL_CASES, guide_of
from small_tasks import ppca_task
from steps import EXACT, equal, interpreted
from tape import Tape

import zoo
from guides import AmortisedNormal, MeanField
from zoo.compile.capture import CaptureError
from zoo.compile.cuda_block import (
    Calls,
    CudaGraphs,
    RecordedBlock,
    counted,
    recorded_block,
    tensors_of,
)
from zoo.compile.loop_tensors import Inputs, State
from zoo.compile.noise import LINE, Spec, noise_of_steps
from zoo.compile.step_loop import rates_of
from zoo.isolation import isolated, rounds_to_tf32
from zoo.objectives import OBJECTIVES
from zoo.optim.schedules import Cosine
from zoo.optim.update import Update
from zoo.results.result import Settings
from zoo.task import given
from zoo.training import backend
from zoo.training.compiled_trainer import CompiledTrainer
from zoo.training.run import prepare

CHOSEN = "zoo.training.compiled_trainer.compile_block"
CASES = {  # model, guide, objective, settings, rows in a step
    "small": ("eight_schools", "full_rank", "trace", {"clip_norm": 9.0}, None),
    "schedule": ("eight_schools", "mean_field", "trace", {"lr_schedule": Cosine(90)}, None),
    "minibatch": ("bernoulli_latent", "amortised_discrete", "nvil", {"optimizer": "adamw"}, 2),
    "buffers": ("ppca", "amortised_normal", "reinforce_average", {"optimizer": "rmsprop"}, 3),
    "no moments": ("logistic_regression", "mean_field", "stl", {"optimizer": "sgd"}, None),
}


def taped(make_step, captured, update, lr, unrolled=5):
    """Stands in for `compile_block`: what runs on CUDA, with a tape for graphs, not compiled."""
    return RecordedBlock(counted(make_step(), partial(rates_of, update)), Tape(), unrolled)


def called(make_step, captured, update, lr):
    """The same with the compiler, and with calls for graphs."""
    return recorded_block(make_step(), partial(rates_of, update), Calls())


def trained(case, replicas, blocks, device="cpu"):
    """Losses and state after blocks of those numbers of steps."""
    model, guide, objective, settings, batch = CASES[case]
    made, args = MODEL_CASES[model].make()
    with isolated(seed=0):
        plain = []
        for seed in range(replicas):
            torch.manual_seed(seed)
            update = Update(lr=0.02 * (seed + 1), **settings)
            asked = Settings(OBJECTIVES[objective], 1, update, batch, seed)
            plain.append(prepare(given(made, args), guide_of(guide), asked, device, None).trainer)
        compiled = CompiledTrainer(*plain)
        torch.manual_seed(7)
        losses = torch.cat([compiled.advance(count) for count in blocks], dim=-1)
        state = {f"tensor {i}": value for i, value in enumerate(tensors_of(compiled.state))}
        written = [one.program.state_dict() for one in plain]
    named = {f"{i} {name}": value for i, one in enumerate(written) for name, value in one.items()}
    return {"losses": losses} | state | named


@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_a_recorded_block_is_the_loop(case, replicas, monkeypatch):
    """Whole replays, remainders and blocks one after another: the same losses and parameters."""
    monkeypatch.setattr(CHOSEN, interpreted)
    expected = trained(case, replicas, [13, 4, 11])
    monkeypatch.setattr(CHOSEN, taped)
    assert equal(trained(case, replicas, [13, 4, 11]), expected, 100 * EXACT)
    assert equal(trained(case, replicas, [28]), expected, 100 * EXACT)


@pytest.mark.parametrize(
    ("case", "replicas"), [("small", 1), pytest.param("minibatch", 3, marks=pytest.mark.thorough)]
)
def test_a_compiled_recorded_block_is_the_compiled_loop(case, replicas, monkeypatch):
    expected = trained(case, replicas, [43])
    monkeypatch.setattr(CHOSEN, called)
    assert equal(trained(case, replicas, [41, 2]), expected, 100 * EXACT)


def test_noise_rows_rates_and_number_are_fresh_in_every_step():
    """Each step of a recording writes down what it was given."""
    update, steps, start = Update(lr_schedule=Cosine(40)), 17, 3

    def step(state, rates, number, picked, drawn, inputs):
        seen = torch.cat([drawn[0], picked.double(), rates[1][None], number[None]])
        (log,) = state.held
        log = torch.where(torch.arange(len(log))[:, None] == number, seen, log)
        return state._replace(held=(log,)), seen.sum()

    block = RecordedBlock(counted(step, partial(rates_of, update)), Tape(), unrolled=5)
    specs = [Spec(normal=True, shape=(4,), dtype=torch.float64, device=torch.device("cpu"))]
    lr, order = torch.tensor(0.1), torch.arange(2 * steps).reshape(steps, 2)
    state = State((torch.zeros(1),), (), (torch.zeros(start + 2 * steps, LINE + 4),))
    losses, taken = torch.zeros(steps), start
    for count in (0, steps, 6):
        noise = noise_of_steps(specs, steps, steps)
        begin = torch.full((), float(taken))
        inputs = Inputs(begin, lr, order, noise, ())
        found, state = block(torch.tensor(count), state, losses, inputs)
        seen = state.held[0][taken : taken + count]
        numbers = torch.arange(taken, taken + count).double()
        rates = torch.stack([rates_of(update, number, lr)[1] for number in [*numbers, begin]])[:-1]
        assert torch.equal(seen[:, :LINE], noise[0][:count])
        assert torch.equal(seen[:, LINE:-2], order[:count].double())
        assert torch.equal(seen[:, -2], rates)
        assert torch.equal(seen[:, -1], numbers)
        torch.testing.assert_close(found[:count], seen.sum(-1), rtol=1e-12, atol=0.0)
        assert not found[count:].any()
        taken += count
    drawn = state.held[0][start:taken, :LINE]
    assert len(drawn.flatten().unique()) == drawn.numel() == LINE * (steps + 6)


def test_the_given_state_stays_and_the_returned_one_is_not_written_again():
    update = Update(optimizer="sgd")

    def step(state, rates, number, picked, drawn, inputs):
        return state._replace(parts=(state.parts[0] + 1,)), state.parts[0].sum()

    block = RecordedBlock(counted(step, partial(rates_of, update)), Tape(), unrolled=2)
    inputs = Inputs(torch.zeros(()), torch.ones(()), torch.zeros(9, 0, dtype=torch.int64), (), ())
    first = State((torch.zeros(3),), (), ())
    _, second = block(torch.tensor(5), first, torch.zeros(9), inputs)
    _, third = block(torch.tensor(4), second, torch.zeros(9), inputs)
    assert [float(each.parts[0].mean()) for each in (first, second, third)] == [0.0, 5.0, 9.0]


# Fits


def shifted(x):
    """A small model that compiles fast, with rows."""
    mean = pyro.sample("mean", dist.Normal(0.0, 3.0))
    with pyro.plate("data", len(x)):
        pyro.sample("x", dist.Normal(mean, 1.0), obs=x)


X = torch.linspace(0.0, 2.0, 8)


def same(first, second):
    states = first.program.state_dict(), second.program.state_dict()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    return torch.equal(first.losses, second.losses)


def test_a_fit_on_recorded_blocks_whole_resumed_and_in_other_blocks(monkeypatch):
    """The same numbers bit for bit, and the noise that the loop on the CPU takes."""
    fit = partial(zoo.fit, ppca_task(), AmortisedNormal, compile=True, batch_size=8, seed=3)
    monkeypatch.setattr(CHOSEN, interpreted)
    loop = fit(steps=60)
    monkeypatch.setattr(CHOSEN, taped)
    whole = fit(steps=60)
    assert (whole.backend, whole.stopped) == ("compiled", "finished")
    assert equal({"losses": whole.losses}, {"losses": loop.losses}, 100 * EXACT)
    assert torch.equal(whole.last["random"], loop.last["random"])
    half = fit(steps=23)
    assert torch.equal(half.losses, whole.losses[:23])
    assert same(fit(steps=60, resume=half), whole)
    monkeypatch.setattr("zoo.training.compiled_trainer.BLOCK", 7)
    assert same(fit(steps=60), whole)


def test_replicas_on_recorded_blocks(monkeypatch):
    fit = partial(zoo.fit, shifted, MeanField, X, compile=True, steps=30, replicas=3)
    monkeypatch.setattr(CHOSEN, interpreted)
    loop = fit()
    monkeypatch.setattr(CHOSEN, taped)
    found = fit()
    for one, other in zip(found, loop, strict=True):
        assert equal({"losses": one.losses}, {"losses": other.losses}, 100 * EXACT)
    assert not torch.equal(found[0].losses, found[1].losses)


# The tape is as strict as a graph


def test_the_tape_keeps_python_numbers_and_reads_tensors_anew():
    into, source, times = torch.zeros(3), torch.ones(3), [2.0]
    replay = Tape().record(lambda: into.copy_(source * times[0]))
    times[0] = 5.0
    source.fill_(3.0)
    replay()
    assert torch.equal(into, torch.full((3,), 6.0))


def test_the_tape_refuses_to_wait():
    with pytest.raises(RuntimeError, match="waits"):
        Tape().record(lambda: float(torch.ones(()).sum()))


# On a GPU


@pytest.mark.gpu
def test_a_step_that_waits_for_the_gpu_is_refused():
    device = torch.device("cuda", torch.cuda.current_device())
    value = torch.ones(3, device=device)
    with pytest.raises(CaptureError, match="cannot be recorded as a CUDA graph"):
        CudaGraphs(device).record(lambda: value.sum().item())


@pytest.mark.gpu
@pytest.mark.parametrize("replicas", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_graphs_are_the_step_without_them(case, replicas, monkeypatch):
    """On the GPU's own noise: graphs of compiled steps beside the same steps, one by one."""
    found = trained(case, replicas, [23, 4], "cuda")
    monkeypatch.setattr(CHOSEN, taped)
    assert equal(found, trained(case, replicas, [27], "cuda"), 100 * EXACT)


@pytest.mark.gpu
def test_a_fit_on_the_gpu_is_reproducible_and_resumable():
    fit = partial(zoo.fit, ppca_task(), AmortisedNormal, compile=True, batch_size=8, device="cuda")
    whole, half = fit(steps=60), fit(steps=23)
    assert whole.backend == "compiled"
    assert torch.equal(half.losses, whole.losses[:23])
    assert same(fit(steps=60, resume=half), whole)


# TF32


@pytest.fixture
def precision():
    """Those of products and convolutions; both are put back."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.fp32_precision, convolutions.allow_tf32
    yield products, convolutions
    products.fp32_precision, convolutions.allow_tf32 = before


@pytest.mark.parametrize("asked", [True, False])
def test_convolutions_are_rounded_only_where_products_are(asked, precision):
    products, convolutions = precision
    products.fp32_precision, convolutions.allow_tf32 = "tf32" if asked else "ieee", True
    with isolated(seed=0), isolated(seed=1):
        assert convolutions.allow_tf32 == asked == rounds_to_tf32()
    assert convolutions.allow_tf32
    assert convolutions.conv.fp32_precision == "tf32"


def test_convolutions_that_were_set_by_hand_stay(precision):
    _, convolutions = precision
    convolutions.conv.fp32_precision = "ieee"
    with isolated(seed=0):
        assert convolutions.conv.fp32_precision == "ieee"
        assert convolutions.rnn.fp32_precision == "tf32"


def test_a_fit_on_cuda_notes_that_products_were_rounded(monkeypatch):
    """Once, also where it is resumed; not on the CPU."""
    fit = zoo.fit(shifted, MeanField, X, steps=2)
    monkeypatch.setattr(backend, "rounds_to_tf32", lambda: True)
    backend.note_precision(fit)
    assert fit.notes == []
    monkeypatch.setattr(type(fit), "device", torch.device("cuda"))
    backend.note_precision(fit)
    backend.note_precision(fit)
    assert fit.notes == [backend.ROUNDED]
