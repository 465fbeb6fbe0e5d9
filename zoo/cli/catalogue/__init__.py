"""What `zoo list` and `zoo show` say of each name, and the answers to names that do not exist."""
