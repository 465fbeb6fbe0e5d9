"""Gradient estimators measured: variance, bias and cost, at fixed parameters or along a fit."""
