"""Checks of what a user passes, and errors that say what is wrong and where it arose."""
