"""What a sample site is: its support, its kind, its plates."""
