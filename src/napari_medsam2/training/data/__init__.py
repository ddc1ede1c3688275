"""Batches: labelled images of the user's or synthetic ones, cut, turned, and prompted as a user would."""
