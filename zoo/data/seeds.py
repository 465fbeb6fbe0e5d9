"""Seeds: how many germinated on 21 plates, for two types of seed and two root extracts.

x1 (21,): 1 for Orobanche aegyptiaca 73, 0 for 75; x2 (21,): 1 for cucumber, 0 for bean; n (21,):
seeds on the plate; r (21,): seeds that germinated.
Source: Crowder (1978), Beta-binomial anova for proportions, Applied Statistics 27, table 3; as in
the BUGS examples, volume I.
"""

from zoo.data.simulated import UnsplitData, constants

GERMINATED = (10, 23, 23, 26, 17, 5, 53, 55, 32, 46, 10, 8, 10, 8, 23, 0, 3, 22, 15, 32, 3)
SEEDS = (39, 62, 81, 51, 39, 6, 74, 72, 51, 79, 13, 16, 30, 28, 45, 4, 12, 41, 30, 51, 7)
SEED_TYPE = (0.0,) * 11 + (1.0,) * 10
EXTRACT = (0.0,) * 5 + (1.0,) * 6 + (0.0,) * 5 + (1.0,) * 5

load = UnsplitData(
    "seeds", constants(SEED_TYPE, EXTRACT, SEEDS, GERMINATED), labels=("x1", "x2", "n", "r")
)
