"""What goes with what: the rules, and the checks of a model and a guide together."""
