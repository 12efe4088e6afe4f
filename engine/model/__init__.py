"""The decoder: one idea a file."""
