"""One fit judged: its metrics, its gaps, and the verdict."""
