"""Scans in captured steps: the function as a graph, the operation, the compiled loop."""
