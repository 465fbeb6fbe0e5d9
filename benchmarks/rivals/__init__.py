"""The same models in NumPyro, PyMC and plain PyTorch, to compare with."""
