"""The example in a class's docstring, run as a reader runs it who copies it from there."""

import doctest

import torch

SINGLE = torch.float32  # what torch starts with


def example_of(cls) -> doctest.DocTest:
    """The lines of the docstring that follow a prompt; it has no `examples` if there are none."""
    return doctest.DocTestParser().get_doctest(cls.__doc__ or "", {}, cls.__name__, None, None)


def faults_of(example: doctest.DocTest) -> str:
    """What the example prints that its docstring does not say; empty if it is right."""
    usual, said = torch.get_default_dtype(), list[str]()
    torch.set_default_dtype(SINGLE)
    try:
        doctest.DocTestRunner().run(example, out=said.append)
    finally:
        torch.set_default_dtype(usual)
    return "".join(said)
