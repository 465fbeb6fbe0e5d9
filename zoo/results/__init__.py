"""A fit: its settings, its result, and the record of both that is saved."""
