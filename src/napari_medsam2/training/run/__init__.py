"""The loop around the steps, its processes, and what it leaves on disk.

Read `setup` and `trainer`. `ranks` are the processes; `files` holds states and weights, `curve` and `picture` what was
learned when.
"""
