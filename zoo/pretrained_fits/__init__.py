"""Fits that are shipped with the zoo: their tensors, a card of each, and `zoo.pretrained`."""
