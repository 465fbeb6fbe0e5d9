"""From a model and a guide to a fit: the front door, the loops, the checkpoints."""
