"""One sample site: its support, its kind and its plates."""
