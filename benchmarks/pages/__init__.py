"""The pages of docs/ and the tables of README, written from benchmarks/results/."""
