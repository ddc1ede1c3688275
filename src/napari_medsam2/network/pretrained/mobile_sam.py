"""MobileSAM (Zhang et al. 2023, arXiv 2306.14289): SAM's prompts and decoder on the embedding of a small encoder.

Inference only. Any square input whose side is a multiple of 64 can be encoded; SAM was taught at 1024 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..sam2.config import Sam2Config
from ..sam2.mask_decoder import Candidates, MaskDecoder
from ..sam2.prompt_encoder import NOTHING, PromptEncoder
from .tiny_vit import TinyVit, TinyVitConfig

_MEAN = (123.675 / 255, 116.28 / 255, 103.53 / 255)
_STD = (58.395 / 255, 57.12 / 255, 57.375 / 255)
#: Pixels a cell of the embedding, and what the side of an input is a multiple of.
STRIDE, STEP = 16, 64


@dataclass(frozen=True)
class MobileSamConfig:
    """The sizes of MobileSAM, by default those that were published.

    Attributes
    ----------
    encoder
        The image encoder; its neck has the width of everything that follows.
    feedforward, heads, iou_hidden
        Mask decoder.
    """

    encoder: TinyVitConfig = field(default_factory=TinyVitConfig)
    feedforward: int = 2048
    heads: int = 8
    iou_hidden: int = 256


class MobileSam(nn.Module):
    """An embedding of an image, and the masks that prompts mean on it.

    Parameters
    ----------
    config
        Sizes; the published ones if not given.
    """

    def __init__(self, config: MobileSamConfig | None = None) -> None:
        super().__init__()
        config = config or MobileSamConfig()
        sizes = replace(
            Sam2Config(),
            dim=config.encoder.neck,
            memory_dim=config.encoder.neck,
            decoder_feedforward=config.feedforward,
            decoder_heads=config.heads,
            iou_hidden=config.iou_hidden,
        )
        self.image_encoder = TinyVit(config.encoder)
        self.prompt_encoder = PromptEncoder(sizes)
        self.mask_decoder = MaskDecoder(sizes, first=True)

    @torch.no_grad()
    def encode(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Encode images.

        Parameters
        ----------
        image
            ``[B, 3, S, S]`` in 0..1, S a multiple of 64.

        Returns
        -------
        tuple of list of Tensor and Tensor
            Maps ``[B, C, H, W]`` at strides 4, 8, 16 and 16, and the embedding ``[B, C, S / 16, S / 16]`` for
            :meth:`ask`.

        Raises
        ------
        ValueError
            If the images have another shape.
        """
        side = image.shape[-1]
        if image.ndim != 4 or image.shape[1] != 3 or image.shape[2] != side or side < STEP or side % STEP:
            raise ValueError(
                f"MobileSAM takes square images [B, 3, S, S] whose side is a multiple of {STEP}; "
                f"got {list(image.shape)}"
            )
        mean, std = image.new_tensor((_MEAN, _STD))[..., None, None]
        maps, embedding = self.image_encoder((image - mean) / std)
        return maps, embedding

    @torch.no_grad()
    def ask(self, embedding: Tensor, points: Tensor, labels: Tensor, mask: Tensor | None = None) -> Candidates:
        """Predict the masks that prompts mean, for a batch of objects.

        Parameters
        ----------
        embedding
            Of :meth:`encode`, ``[B or 1, C, S / 16, S / 16]``; one image serves any number of objects.
        points
            (x, y) in pixels of the input, centre of the first pixel at (0, 0), ``[B, N, 2]``; N is 0 for a mask alone.
            Ask objects with a box apart from those without: together all get a point more, that says nothing, which
            SAM does not give to a box.
        labels
            1 positive, 0 negative, 2 and 3 the first and second corner of a box, -1 nothing: int64 ``[B, N]``.
        mask
            Mask logits ``[B or 1, 1, S / 4, S / 4]``, or ``None``. Other sizes are resized.

        Returns
        -------
        Candidates
            Four masks of each object, at S / 4. Mask 0 is for clear prompts.
        """
        cells = embedding.shape[-1]
        # SAM adds a point that says nothing to clicks alone, not where there is a box as well, or only a mask.
        if labels.shape[1] and not (labels == 2).any(dim=1).all():
            points, labels = F.pad(points, (0, 0, 0, 1)), F.pad(labels, (0, 1), value=NOTHING)
        prompts = self.prompt_encoder.tokens((points + 0.5) / (cells * STRIDE), labels)
        code = self.prompt_encoder.pe_layer.grid(cells)
        dense = self.prompt_encoder.dense(mask, 4 * cells)
        found: Candidates = self.mask_decoder(embedding, code, (), prompts, dense)
        return found
