"""The shape of two moons: a density to approximate, with nothing observed.

shape (3,): radius of the circle, thickness of the arcs, width of the bumps that select them.
Source: Rezende and Mohamed (2015), Variational inference with normalizing flows, table 1.
"""

from zoo.data.simulated import UnsplitData, constants

SHAPE = (2.0, 0.4, 0.6)

load = UnsplitData("facing_moons", constants(SHAPE), labels=("shape",))
