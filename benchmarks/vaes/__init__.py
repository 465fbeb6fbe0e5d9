"""Autoencoders compared: guides, priors, likelihoods, bounds."""
