"""What the command line says of an error of use, without importing torch for it."""

import zoo


def is_of_use(error: Exception) -> bool:
    """Is it an error of use, of which one line is printed, or a fault, which has a traceback?"""
    if not isinstance(error, RuntimeError):
        return isinstance(error, (ValueError, OSError))
    return isinstance(error, (zoo.CaptureError, zoo.CompileError, zoo.DivergenceError))


def explained(error: Exception) -> str:
    """What went wrong; guides that would fit by the names that the command line knows them by."""
    if not hasattr(error, "families"):  # then it is no PairingError
        return str(error)
    from guides import GUIDES
    from zoo.pairing.mismatch import PairingError, family_of, listed

    assert isinstance(error, PairingError)
    names = [name for name, guide in GUIDES.items() if family_of(guide) in error.families]
    return " ".join((error.sentence, *listed(names)))
