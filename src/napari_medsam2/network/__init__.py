"""The networks. They hold no state: memory, prompts and features are arguments, and answers are values.

Read `interface` first: it says what a network must do. `sam2` and `micro` are the two that do it; `checkpoints`
recognises and loads published files of weights, some with matrices in few bits (`few_bits`). `pretrained` holds
networks that photographs taught, which stay as they are: in flows `micro` hears what they see, and one of them draws
outlines for it.
"""
