"""The loop around the steps, its processes, and what it leaves on disk."""
