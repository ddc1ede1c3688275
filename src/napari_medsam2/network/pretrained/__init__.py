"""What others taught networks, kept as it was: encoders that only infer, batch normalisation folded away.

`efficientnet` tells photographs apart; `mobile_sam` composes `tiny_vit` with the prompts and the decoder of `sam2`.
"""
