"""Everything that is measured on a GPU, in one command that goes on where it stopped."""
