"""The evaluation held against truth: evidence, intervals, planted failures, verdicts."""
