"""The networks. They hold no state: memory, prompts and features are arguments, and answers are values.

Read `interface` first: it says what a network must do. `sam2` and `micro` are the two that do it; `checkpoints`
recognises and loads published files of weights; `pretrained` holds encoders that `micro` may listen to.
"""
