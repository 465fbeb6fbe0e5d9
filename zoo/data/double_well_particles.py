"""The pair potential of four particles in the plane: a density to approximate.

coefficients (3,): factors of the second and fourth powers of d - d_0, and the distance d_0.
Source: Koehler, Klein and Noe (2020), Equivariant flows, ICML, section 6.
"""

from zoo.data.simulated import UnsplitData, constants

COEFFICIENTS = (-4.0, 0.9, 4.0)

load = UnsplitData("double_well_particles", constants(COEFFICIENTS), labels=("coefficients",))
