"""What surrounds application code: its output, its environment, what it may not do, and the modules that it loads."""
