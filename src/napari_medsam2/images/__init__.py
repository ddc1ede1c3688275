"""Pixels in, labels out: files and arrays of users become lazy sequences of frames, and labels become files.

Read `frames` first (what a sequence is), then `contrast`, then `files` and `formats` (where frames come from),
`datasets` (frames with ground truth) and `label_files` (the way out).
"""
