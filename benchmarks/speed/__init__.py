"""Milliseconds for each step, beside other libraries, and how they grow."""
