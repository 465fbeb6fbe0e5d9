"""Gradient estimators compared: variance, bias and cost on networks and toys."""
