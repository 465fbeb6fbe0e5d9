"""The same models as NumPyro and plain PyTorch have them."""
