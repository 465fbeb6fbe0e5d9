"""The coefficients of the lattice field: a density to approximate, with nothing observed.

coefficients (2,): of x^2 / 2 and of x^4; with these the field has two phases.
Source: the constants of this file.
"""

from zoo.data.simulated import UnsplitData, constants

COEFFICIENTS = (-1.0, 0.3)

load = UnsplitData("lattice_phi4", constants(COEFFICIENTS), labels=("coefficients",))
