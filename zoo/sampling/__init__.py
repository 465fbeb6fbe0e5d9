"""Draws of a trained guide, their importance weights, and densities in unconstrained space."""
