"""What a user may do to it: processes that are killed, and calls that make no sense."""
