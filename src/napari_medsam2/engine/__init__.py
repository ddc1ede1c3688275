"""A session on a thread of its own.

Read `requests` and `events` first (what goes in, what comes out), then `engine` (what requests do), then `worker` and
`run` (the thread, and what it does between requests).
"""
