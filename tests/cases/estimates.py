"""What tests ask of an estimator: no bias, the mean of another, the same step when captured."""

from cases import ERRORS, standard_error
from network_of_causes import largest_z
from steps import a_capture, equal_on_fresh_inputs


def unbiased(found, exact):
    """The mean of the estimates is the exact gradient, and noise could not hide a bias in it."""
    assert largest_z(found, exact) < ERRORS
    assert standard_error(found).norm() < 0.2 * exact.norm()
    return True


def same_mean(found, other):
    """Two estimators have the same mean, as far as their noise tells."""
    error = (standard_error(found) ** 2 + standard_error(other) ** 2).sqrt().clamp(min=1e-12)
    apart = (found.mean(0) - other.mean(0)).abs() / error
    assert apart.max() < ERRORS
    return True


def captured_as_plain(model, guide, args, objective, **settings):
    """A captured step equals the plain one, at two places and two steps."""
    with a_capture(model, guide, args, objective, **settings) as found:
        return equal_on_fresh_inputs(*found)
