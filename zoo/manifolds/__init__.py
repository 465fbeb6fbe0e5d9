"""Curved spaces in which latents lie: spheres and the hyperboloid, with distributions on them."""
