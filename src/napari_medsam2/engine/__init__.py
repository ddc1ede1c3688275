"""A session on a thread of its own.

Read `events` first (what an engine hands out), then `engine` (requests), then `worker` (the thread).
"""
