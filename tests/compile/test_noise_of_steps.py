"""Noise of a step and of many steps: order, shapes, distribution, and how much lies in memory."""

import pytest
import torch
from cases import ERRORS

from zoo.compile.noise import (
    ExplicitNoise,
    Spec,
    draw_noise,
    noise_of_step,
    noise_of_steps,
    record,
    replay,
    steps_at_once,
)
from zoo.isolation import seed_all

N = 4000


def test_noise_comes_back_in_the_order_it_was_asked_for():
    def draws():
        return [torch.randn(2), torch.rand(3), torch.randn_like(torch.ones(4)), torch.rand(1)]

    specs = []
    with ExplicitNoise(record(specs)):
        draws()
    assert [(spec.normal, spec.shape) for spec in specs] == [
        (True, (2,)),
        (False, (3,)),
        (True, (4,)),
        (False, (1,)),
    ]
    noise = [torch.full(spec.shape, float(i)) for i, spec in enumerate(specs)]
    with ExplicitNoise(replay(noise)):
        assert all(torch.equal(a, b) for a, b in zip(draws(), noise, strict=True))


def test_noise_has_the_shape_dtype_and_distribution_of_its_spec():
    place = torch.device("cpu")
    specs = [
        Spec(normal=True, shape=(N,), dtype=torch.float64, device=place),
        Spec(normal=False, shape=(N, 2), dtype=torch.float32, device=place),
        Spec(normal=True, shape=(), dtype=torch.float64, device=place),
        Spec(normal=True, shape=(N,), dtype=torch.float64, device=place),
    ]
    for replicas, lead in ((None, ()), (3, (3,))):
        noise = draw_noise(specs, replicas)
        for spec, value in zip(specs, noise, strict=True):
            assert (value.shape, value.dtype) == ((*lead, *spec.shape), spec.dtype)
        normal, uniform, _, other = (value.double() for value in noise)
        assert normal.mean().abs() < ERRORS / normal.numel() ** 0.5
        assert (normal.var() - 1).abs() < ERRORS * (2 / normal.numel()) ** 0.5
        assert (uniform.mean() - 0.5).abs() < ERRORS * (1 / 12 / uniform.numel()) ** 0.5
        assert 0 <= uniform.min() < 0.25 < 0.75 < uniform.max() < 1
        assert (normal * other).mean().abs() < ERRORS / normal.numel() ** 0.5


def normals(*shape, dtype=torch.float32):
    return Spec(normal=True, shape=shape, dtype=dtype, device=torch.device("cpu"))


def uniforms(*shape):
    return normals(*shape)._replace(normal=False)


MIXTURES = {
    "normals": [normals(3), normals(2, 4)],
    "doubles": [normals(21, dtype=torch.float64)],
    "uniforms": [uniforms(5)],
    "both": [uniforms(5), normals(3), normals(dtype=torch.float64)],
    "none": [],
}


@pytest.mark.parametrize("replicas", [None, 3])
@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_step_has_the_same_noise_however_many_are_drawn_at_once(mixture, replicas):
    """A fit that is stopped within a block goes on to the same numbers."""
    specs = MIXTURES[mixture]
    seed_all(1)
    whole = noise_of_steps(specs, 12, 12, replicas)
    state = torch.get_rng_state()
    seed_all(1)
    parts = [noise_of_steps(specs, taken, 12, replicas) for taken in (5, 0, 1, 6)]
    assert torch.equal(torch.get_rng_state(), state)
    taken = [5, 0, 1, 6]
    for kind, numbers in enumerate(whole):
        cut = [part[kind][:n] for part, n in zip(parts, taken, strict=True)]
        assert torch.equal(torch.cat(cut), numbers)
        assert numbers.unique().numel() == numbers.numel()
    for i in range(12):
        drawn = noise_of_step(specs, [numbers[i] for numbers in whole])
        lead = () if replicas is None else (3,)
        assert [tuple(one.shape) for one in drawn] == [(*lead, *spec.shape) for spec in specs]


def test_noise_in_memory_is_bounded():
    large = [normals(2**21)]
    assert steps_at_once(large, 500) == 2
    assert steps_at_once(large, 500, replicas=4) == 1
    assert steps_at_once([normals(10)], 500, replicas=32) == 500
    assert steps_at_once([], 500) == 500
