"""Pictures that teach: each trains what it shows, and says in metrics what is to be seen."""
