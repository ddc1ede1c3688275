"""Segmentation networks: SAM 2 and its descendants, and the bundled model. Importing this package loads no torch."""
