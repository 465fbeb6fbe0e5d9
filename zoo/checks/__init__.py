"""What a user passes, checked at the door, and errors that say where they arose."""
