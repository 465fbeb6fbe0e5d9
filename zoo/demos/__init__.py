"""Pictures that teach: each trains what it shows, and says in metrics what is to be seen."""

SEEDS = 10  # of four_points, unless others are asked for
PICTURES = {
    "four_points": "four data points in a plane of latents: what a flexible posterior buys",
    "amortisation": "amortised guides against a posterior optimised for each row, under one model",
}
