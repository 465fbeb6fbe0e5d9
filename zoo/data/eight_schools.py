"""Eight schools: effect of coaching on a verbal test score, estimated in eight experiments.

sigma (8,): the standard errors, and y (8,): the estimated effects, both in points of the test.
Source: Rubin (1981), Estimation in parallel randomized experiments, Journal of Educational
Statistics 6.
"""

from zoo.data.simulated import UnsplitData, constants

EFFECTS = (28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0)
ERRORS = (15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0)

load = UnsplitData("eight_schools", constants(ERRORS, EFFECTS), labels=("sigma", "y"))
