"""The names of everything, without torch, and the answers to names that do not exist."""
