"""Measurements, each run as `python -m benchmarks.FOLDER.NAME`; results are in results/."""
