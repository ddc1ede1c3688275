"""What one step of training computes: a sequence through the network, its losses, and the validation score.

Read `learners` first. `micro_sequence` is the loss of the bundled network, with its frames, memories and prompts beside
it, `sam2_sequence` that of SAM 2; `losses` are those of one frame or stack, `validation` scores what is held out.
"""
