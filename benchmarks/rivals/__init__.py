"""The same models in NumPyro and in plain PyTorch, to compare with."""
