"""Milliseconds a step, beside the rivals, and how they grow."""
