"""The scales of a banana-shaped density: something to approximate, with nothing observed.

scale (2,): the standard deviations along the banana and across.
Source: Haario, Saksman and Tamminen (1999), Adaptive proposal distribution for random walk
Metropolis algorithm, Computational Statistics 14.
"""

from zoo.data.simulated import UnsplitData, constants

SCALES = (10.0, 1.0)

load = UnsplitData("banana", constants(SCALES), labels=("scale",))
