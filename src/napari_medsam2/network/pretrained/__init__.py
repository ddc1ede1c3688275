"""What others taught networks with photographs, kept as it was: they only infer, batch normalisation folded away.

`efficientnet` tells photographs apart; `mobile_sam` composes `tiny_vit` with the prompts and the decoder of `sam2`, and
outlines what is on them. NOTICE says whose they are.
"""
