"""The scales of Neal's funnel: a density to approximate, with nothing observed.

neals_funnel: scale (10,): the standard deviation of v, then the nine factors of the x_i.
neals_funnel_2: scale (2,): the funnel in the plane, which can be drawn.
Source: Neal (2003), Slice sampling, Annals of Statistics 31(3).
"""

from zoo.data.simulated import UnsplitData, constants

SCALES = (3.0, *(1.0,) * 9)

load = UnsplitData("neals_funnel", constants(SCALES), labels=("scale",))
neals_funnel_2 = UnsplitData("neals_funnel_2", constants(SCALES[:2]), labels=("scale",))
