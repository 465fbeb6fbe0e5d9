"""Homework on latent-variable models: sheets, their checks, and a grader on exact answers."""
