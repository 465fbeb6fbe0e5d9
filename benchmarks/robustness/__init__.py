"""What a user may do: kill a process, or call a function with arguments that make no sense."""
