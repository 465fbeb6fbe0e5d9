"""One fit on several processes: how they meet, what each takes, and what they tell each other."""
