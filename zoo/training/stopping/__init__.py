"""When training ends, and at which parameters: stages, means of iterates, held-out losses."""
