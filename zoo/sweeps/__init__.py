"""Many settings of one fit: the best is chosen on validation rows, and reported on test rows."""
