"""Fingerprints tell values apart, whatever they are made of, and nothing else."""

import copy
from dataclasses import dataclass

import numpy as np
import torch

from zoo.data.fingerprint import fingerprint_of


@dataclass
class Held:
    """A value inside an object."""

    value: object


DIFFERENT = [
    *(None, 0, 0.0, 1e300, False, "0", b"0", [], {}),
    *(torch.zeros(1), torch.zeros(1, 1), torch.zeros(0), torch.zeros(1).int()),
    *(torch.zeros(1, dtype=torch.bfloat16), torch.zeros(1, dtype=torch.complex64)),
    *(np.zeros(1), np.zeros(1, dtype=np.float32), np.float32(0)),
    *([torch.zeros(1)], (torch.zeros(1),), Held(torch.zeros(1)), Held(torch.ones(1))),
    *({"a": 0}, {"b": 0}, {"a": {"b": 0}}, {0}, [0, [1]], [[0], 1]),
]


def test_values_are_told_apart():
    found = [fingerprint_of(value) for value in DIFFERENT]
    assert len(set(found)) == len(DIFFERENT)
    assert found == [fingerprint_of(copy.deepcopy(value)) for value in DIFFERENT]


def test_a_value_inside_itself_ends():
    endless = [1]
    endless.append(endless)
    assert fingerprint_of(endless) != fingerprint_of([1])


def test_the_form_of_a_value_does_not_count():
    assert fingerprint_of({"a": 1, "b": 2}) == fingerprint_of({"b": 2, "a": 1})
    assert fingerprint_of(torch.eye(3).to_sparse()) == fingerprint_of(torch.eye(3))
    x = torch.arange(6.0).reshape(2, 3)
    assert fingerprint_of(x.T) == fingerprint_of(x.T.contiguous())
