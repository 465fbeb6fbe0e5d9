"""The error of a compiler that fails."""


class CompileError(RuntimeError):
    """A function cannot be compiled on this machine."""
