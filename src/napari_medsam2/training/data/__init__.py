"""Batches: labelled images of the user's or synthetic ones, cropped, flipped, and prompted as a user would."""
