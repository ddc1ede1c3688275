"""The command ``napari-medsam2``: one file for each of its subcommands, and what they share.

Read `main` first.
"""
