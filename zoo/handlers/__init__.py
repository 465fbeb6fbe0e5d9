"""Effect handlers and what they hold: minibatches, particles, parameters."""
