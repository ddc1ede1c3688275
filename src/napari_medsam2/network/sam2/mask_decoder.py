"""From conditioned features and prompt tokens to masks, their quality and whether the object is there at all."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .attention import MLP, Attention, ChannelNorm
from .config import Sam2Config

# A single mask counts as stable if its area hardly changes when the threshold moves by this much in logits.
_STABILITY_DELTA = 0.05
_STABILITY_LEAST = 0.98


class _TwoWayLayer(nn.Module):
    """Tokens look at each other and at the image, then the image looks at the tokens."""

    def __init__(self, dim: int, heads: int, feedforward: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(dim, dim, heads)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = Attention(dim, dim // 2, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLP((dim, feedforward, dim))
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = Attention(dim, dim // 2, heads)

    def forward(self, tokens: Tensor, image: Tensor, token_code: Tensor, image_code: Tensor) -> tuple[Tensor, Tensor]:
        if self.first:  # the tokens still are their own codes: nothing to add, and nothing worth keeping
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            coded = tokens + token_code
            tokens = tokens + self.self_attn(coded, coded, tokens)
        tokens = self.norm1(tokens)
        coded_image = image + image_code
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + token_code, coded_image, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = self.norm4(image + self.cross_attn_image_to_token(coded_image, tokens + token_code, tokens))
        return tokens, image


class _TwoWayTransformer(nn.Module):
    def __init__(self, dim: int, heads: int, feedforward: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_TwoWayLayer(dim, heads, feedforward, first=i == 0) for i in range(2))
        self.final_attn_token_to_image = Attention(dim, dim // 2, heads)
        self.norm_final_attn = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, image: Tensor, image_code: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens ``[B, N, C]`` and image ``[B, L, C]`` with its code ``[1, L, C]``; both come back."""
        token_code = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_code, image_code)
        attended = self.final_attn_token_to_image(tokens + token_code, image + image_code, image)
        return self.norm_final_attn(tokens + attended), image


@dataclass(frozen=True)
class Candidates:
    """All that the decoder predicts: mask 0 is for clear prompts, masks 1 to 3 for ambiguous ones.

    Attributes
    ----------
    logits
        Mask logits ``[B, 4, S / 4, S / 4]``.
    iou
        Predicted IoU with the truth, ``[B, 4]``: 0..1, or nearly so from the first SAM.
    tokens
        Output token of each mask ``[B, 4, C]``.
    score
        Object logit: above 0 the object is on the frame, ``[B, 1]``; empty ``[B, 0]`` from the first SAM.
    """

    logits: Tensor
    iou: Tensor
    tokens: Tensor
    score: Tensor


class MaskDecoder(nn.Module):
    """Two-way transformer, upscaling with the encoder's fine features, and one small head a mask.

    Parameters
    ----------
    config
        Sizes.
    first
        That of the first SAM (Kirillov et al. 2023): without fine features or object score, IoU without a sigmoid.
    """

    def __init__(self, config: Sam2Config, *, first: bool = False) -> None:
        super().__init__()
        dim = config.dim
        self.transformer = _TwoWayTransformer(dim, config.decoder_heads, config.decoder_feedforward)
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(4, dim)
        self.obj_score_token = None if first else nn.Embedding(1, dim)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(dim, dim // 4, kernel_size=2, stride=2),
            ChannelNorm(dim // 4),
            nn.GELU(),
            nn.ConvTranspose2d(dim // 4, dim // 8, kernel_size=2, stride=2),
            nn.GELU(),
        )
        if config.vit is None and not first:  # a plain trunk has no fine features to offer
            self.conv_s0 = nn.Conv2d(dim, dim // 8, kernel_size=1)
            self.conv_s1 = nn.Conv2d(dim, dim // 4, kernel_size=1)
        self.output_hypernetworks_mlps = nn.ModuleList(MLP((dim, dim, dim, dim // 8)) for _ in range(4))
        self.iou_prediction_head = MLP((dim, config.iou_hidden, config.iou_hidden, 4))
        self.pred_obj_score_head = None if first else MLP((dim, dim, dim, 1))

    def forward(
        self, image: Tensor, image_code: Tensor, fine: tuple[Tensor, ...], prompts: Tensor, dense: Tensor
    ) -> Candidates:
        """Predict masks.

        Parameters
        ----------
        image, image_code
            Conditioned features ``[B or 1, C, H, W]`` and the code of their places ``[1, C, H, W]``.
        fine
            Features after ``conv_s0`` and ``conv_s1``: ``[B or 1, C / 8, 4H, 4W]`` and ``[B or 1, C / 4, 2H, 2W]``;
            empty with a plain trunk and for the first SAM.
        prompts, dense
            Of the prompt encoder: tokens ``[B, N, C]`` and a map that broadcasts to the features.
        """
        batch = len(prompts)
        height, width = image.shape[-2:]
        own = torch.cat((self.iou_token.weight, self.mask_tokens.weight))
        if self.obj_score_token is not None:
            own = torch.cat((self.obj_score_token.weight, own))
        tokens = torch.cat((own.expand(batch, -1, -1), prompts), dim=1)
        source = (image + dense).expand(batch, -1, -1, -1).flatten(2).transpose(1, 2)
        tokens, source = self.transformer(tokens, source, image_code.flatten(2).transpose(1, 2))

        up1, norm, activation, up2, _ = self.output_upscaling
        grid = source.transpose(1, 2).unflatten(2, (height, width))
        quarter, half = fine or (0.0, 0.0)
        upscaled = activation(norm(up1(grid) + half))
        upscaled = activation(up2(upscaled) + quarter)
        asked = tokens[:, : len(own)]
        quality, masks = asked[:, -5], asked[:, -4:]
        heads = torch.stack([mlp(masks[:, i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1)
        logits = (heads @ upscaled.flatten(2)).unflatten(2, upscaled.shape[-2:])
        iou = self.iou_prediction_head(quality)
        if self.pred_obj_score_head is None:
            return Candidates(logits, iou, masks, score=iou[:, :0])
        return Candidates(logits, iou.sigmoid(), masks, score=self.pred_obj_score_head(asked[:, 0]))


def best_of(candidates: Candidates) -> Tensor:
    """Which of masks 1 to 3 has the highest predicted IoU: int64 ``[B]``, values 1 to 3."""
    return candidates.iou[:, 1:].argmax(dim=1) + 1


def stable_or_best(candidates: Candidates) -> Tensor:
    """Mask 0 where it is stable, else the best of masks 1 to 3: int64 ``[B]``."""
    flat = candidates.logits[:, 0].flatten(1)
    inner = (flat > _STABILITY_DELTA).sum(dim=1)
    outer = (flat > -_STABILITY_DELTA).sum(dim=1)
    stable = torch.where(outer > 0, inner / outer.clamp(min=1), 1.0) >= _STABILITY_LEAST
    return torch.where(stable, 0, best_of(candidates))


def take(values: Tensor, which: Tensor) -> Tensor:
    """One of the second axis for each in the batch: ``[B, N, ...]`` by ``[B]`` to ``[B, 1, ...]``."""
    return values[torch.arange(len(values), device=values.device), which][:, None]
