"""Pixels in, labels out: files and arrays of users become lazy sequences of frames, and labels become files.

Read `frames` first (what a sequence is), then `contrast` (how pixels become 0..1), `sources` and `conversion` (arrays
as frames), `opened` (what a file holds beside pixels), `formats` (the one door) and `readers` (behind it), `datasets`
(frames with ground truth) and `writers` (the way out).
"""
