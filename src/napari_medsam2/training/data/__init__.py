"""Batches: labelled images of the user's or synthetic ones, cropped, flipped, and prompted as a user would.

Read `batches` first. `pairs` finds images and labels, `split` holds some out, `labelled` makes batches of the rest;
`prompts` simulates a user, `example` writes data to try training on.
"""
