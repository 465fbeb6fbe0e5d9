"""Invertible steps that guides and models share, where Pyro has none that fit: one a file."""
