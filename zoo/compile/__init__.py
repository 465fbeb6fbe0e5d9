"""A step of training as machine code: captured, verified against the plain step, compiled."""
