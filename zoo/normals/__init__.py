"""Normal approximations of a posterior, found without noise: Pathfinder, DADVI, and what is left.

Each works on the log density of a model's latents as one unconstrained vector u, d numbers. A
normal q(u) = N(m, L L^T) is kept by its mean m and its lower-triangular factor L.
"""
