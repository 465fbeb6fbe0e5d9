"""Explicit densities beside latent-variable models: exact log p(x), one data set, one budget."""
