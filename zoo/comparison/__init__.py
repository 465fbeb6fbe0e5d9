"""Many fits side by side: run, aggregated, reported."""
