"""Pictures that teach: each trains what it shows, and says in figures what is to be seen."""
