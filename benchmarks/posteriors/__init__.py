"""Guides against truth: every guide on every posterior whose answer is known."""
