"""SAM 2 and its descendants, with the parameter names of the published checkpoints.

Read `network` first, which composes the parts; `config` says how the published layouts differ.
"""
