"""The way out: labels become files, whole or not at all.

Read `labels.py` first (what is written), then `saving.py` (the table of formats, and the two calls that matter: `check`
before a run and `save` after it); `checks.py` says in words what will not work, and each other file is a format.
"""
