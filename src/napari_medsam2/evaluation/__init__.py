"""How good and how fast a model is, on sequences with ground truth.

Read `evaluate` first; `prompting` makes prompts from ground truth, `scores` and `metrics` compare.
"""
