"""Training steps as machine code: captured, verified against the plain step, compiled."""
