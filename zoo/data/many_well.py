"""The coefficients of the many wells: a density to approximate, with nothing observed.

coefficients (3,): of x, x^2 and x^4 in the energy of one well.
Source: Midgley et al. (2023), Flow annealed importance sampling bootstrap, ICLR, section 5.2.
"""

from zoo.data.simulated import UnsplitData, constants

COEFFICIENTS = (-0.5, -6.0, 1.0)

load = UnsplitData("many_well", constants(COEFFICIENTS), labels=("coefficients",))
