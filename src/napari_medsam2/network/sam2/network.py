"""SAM 2 (Ravi et al. 2024, arXiv 2408.00714), its version 2.1, and the medical networks that share its parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...types import Mode
from ..interface import ImageFeatures, Memory, Prediction, PromptTensors, Recall, SegmentationNetwork
from ..resample import resize
from .attention import MLP
from .config import Sam2Config
from .decoded import Decoded, as_chosen
from .hiera import ImageEncoder
from .mask_decoder import Candidates, MaskDecoder, best_of, stable_or_best, take
from .memory import MemoryAttention, MemoryEncoder, MemoryTokens
from .position import sine_code, time_code
from .prompt_encoder import NOTHING, PromptEncoder, prompt_tokens
from .vit import PlainImageEncoder

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
# Logits of a mask whose object is not on the frame.
_NO_OBJECT = -1024.0
# Masks become logits as 20 m - 10, for the user's masks and for the memory encoder alike.
_MASK_SCALE, _MASK_SHIFT = 20.0, -10.0


class Sam2(SegmentationNetwork):
    """SAM 2 with the parameter names and shapes of the published checkpoints.

    The methods of :class:`SegmentationNetwork` serve the session: one frame, no gradients. They are built from
    :meth:`encode`, :meth:`attend`, :meth:`decode` and :meth:`remember`, which take batches and pass gradients.

    Parameters
    ----------
    config
        Sizes, input size and behaviour.
    """

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        dim, memory_dim = config.dim, config.memory_dim
        self.config = config
        self.image_size = config.image_size
        self.image_encoder = ImageEncoder(config) if config.vit is None else PlainImageEncoder(config)
        self.mask_downsample = nn.Conv2d(1, 1, kernel_size=4, stride=4)
        self.memory_attention = MemoryAttention(config)
        self.memory_encoder = MemoryEncoder(config)
        self.sam_prompt_encoder = PromptEncoder(config)
        self.sam_mask_decoder = MaskDecoder(config)
        self.obj_ptr_proj = MLP((dim, dim, dim, dim))
        self.maskmem_tpos_enc = nn.Parameter(torch.zeros(config.memory_slots, 1, 1, memory_dim))
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, dim))
        self.no_mem_pos_enc = nn.Parameter(torch.zeros(1, 1, dim))  # in every checkpoint, without effect
        self.no_obj_ptr = nn.Parameter(torch.zeros(1, dim))
        self.no_obj_embed_spatial: nn.Parameter | None = None
        self.obj_ptr_tpos_proj: nn.Linear | None = None
        if config.version == "2.1":
            self.no_obj_embed_spatial = nn.Parameter(torch.zeros(1, memory_dim))
            self.obj_ptr_tpos_proj = nn.Linear(dim, memory_dim)

    # ---- the session's side -------------------------------------------------------------------------------------

    @torch.no_grad()
    def encode_image(self, image: Tensor, mode: Mode = "stack", *, fine: Tensor | None = None) -> ImageFeatures:
        with self._precision(image.device):
            levels = self.encode(image)
        mean = levels[-1].float().mean(dim=(2, 3))[0]
        return ImageFeatures(levels=levels, descriptor=F.normalize(mean, dim=0).cpu())

    @torch.no_grad()
    def segment(
        self,
        features: ImageFeatures,
        prompts: PromptTensors | None,
        recalls: Sequence[Recall],
        *,
        mode: Mode,
        neighbour_mask: Tensor | None = None,
        neighbour_image: Tensor | None = None,
        n_frames: int = 1,
    ) -> Prediction:
        *fine, coarse = features.levels
        if prompts is not None and prompts.mask is not None:
            with self._precision(coarse.device):
                return self.adopt(features, prompts.mask)
        with self._precision(coarse.device):
            conditioned = self.attend(coarse, self.memory_tokens(recalls, mode=mode, n_frames=n_frames))
            runs = [
                self.decode(conditioned, tuple(fine), *told, _corrected_logits(prompts))
                for told in prompt_tokens(prompts, coarse.device)
            ]
            readings: tuple[Tensor, ...] = ()
            if prompts is not None and prompts.is_one:
                runs[0], readings = as_chosen(runs[0], prompts.choosing, self.image_size, self.obj_ptr_proj)
        logits = torch.cat([run.logits for run in runs]).amax(dim=0, keepdim=True)
        seen = [run for run in runs if run.score > 0] or runs  # the boxes that found something speak for all
        pointers = torch.cat([run.pointer for run in seen])
        return Prediction(
            logits=logits.float(),
            iou=float(torch.cat([run.iou for run in seen]).mean()),
            objectness=float(torch.cat([run.score for run in runs]).amax().sigmoid()),
            pointer=pointers.mean(dim=0, keepdim=True) if self.config.behaviour.pointers else None,
            conditioned=conditioned if self.config.behaviour.conditioned_memory else None,
            readings=readings,
        )

    @torch.no_grad()
    def encode_memory(self, features: ImageFeatures, prediction: Prediction, mask: Tensor, *, prompted: bool) -> Memory:
        source = features.levels[-1]
        if self.config.behaviour.conditioned_memory and prediction.conditioned is not None:
            source = prediction.conditioned
        dtype = self.no_mem_embed.dtype
        probabilities = (mask > 0).to(dtype) if prompted else mask.to(dtype).sigmoid()
        present = torch.tensor([[prediction.objectness > 0.5]], device=source.device)
        with self._precision(source.device):
            tokens = {"spatial": self.remember(source, probabilities, present)}
        if prediction.pointer is not None:
            tokens["pointer"] = prediction.pointer
        return Memory(tokens)

    # ---- building blocks: batches and gradients -----------------------------------------------------------------

    def encode(self, images: Tensor) -> tuple[Tensor, ...]:
        """Encode images.

        Parameters
        ----------
        images
            ``[B, 3, S, S]`` in 0..1.

        Returns
        -------
        tuple of Tensor
            The decoder's fine features ``[B, C / 8, S / 4, S / 4]`` and ``[B, C / 4, S / 8, S / 8]``, and the coarse
            features ``[B, C, S / 16, S / 16]`` for memory; with a plain trunk the coarse ones only.

        Raises
        ------
        ValueError
            If the images are not of the network's size.
        """
        side = self.image_size
        if images.ndim != 4 or tuple(images.shape[1:]) != (3, side, side):
            raise ValueError(f"this network takes images [B, 3, {side}, {side}]; got {list(images.shape)}")
        if self.config.behaviour.normalise:
            mean, std = images.new_tensor((_MEAN, _STD))[..., None, None]
            images = (images - mean) / std
        if self.config.vit is not None:
            levels: tuple[Tensor, ...] = self.image_encoder(images)
            return levels
        levels = self.image_encoder(images, (self.sam_mask_decoder.conv_s0, self.sam_mask_decoder.conv_s1))
        return levels

    def attend(self, coarse: Tensor, memory: MemoryTokens | None) -> Tensor:
        """Condition coarse features ``[B, C, H, W]`` on memory, or mark them as having none; same shape."""
        if memory is not None:
            conditioned: Tensor = self.memory_attention(coarse, memory)
            return conditioned
        if self.config.behaviour.no_memory_embedding:
            return coarse + self.no_mem_embed[0, :, :, None, None]
        return coarse

    def decode(
        self,
        conditioned: Tensor,
        fine: tuple[Tensor, ...],
        points: Tensor,
        labels: Tensor,
        mask: Tensor | None = None,
    ) -> Decoded:
        """Predict masks and choose one.

        With at most one click there are three candidates and the one with the best predicted IoU is taken. Otherwise
        there is one mask; in evaluation mode, where it is not stable, the best of the three is shown instead.

        Parameters
        ----------
        conditioned, fine
            Features of :meth:`attend` and :meth:`encode`; a batch of one serves any number of prompts.
        points, labels, mask
            See :class:`~napari_medsam2.network.sam2.prompt_encoder.PromptEncoder`. A box is two points. Without any
            click, give one point with label -1.
        """
        prompts, dense = self.sam_prompt_encoder(points, labels, mask)
        code = self.sam_prompt_encoder.pe_layer.grid(conditioned.shape[-1])
        found: Candidates = self.sam_mask_decoder(conditioned, code, fine, prompts, dense)
        if self.config.behaviour.multimask and points.shape[1] <= 1:
            shown = pointing = best_of(found)
        else:
            pointing = torch.zeros(len(prompts), dtype=torch.int64, device=points.device)
            shown = pointing if self.training else stable_or_best(found)
        present = found.score > 0
        return Decoded(
            logits=torch.where(present[..., None, None], take(found.logits, shown), _NO_OBJECT),
            iou=take(found.iou, shown),
            score=found.score,
            pointer=torch.where(present, self.obj_ptr_proj(take(found.tokens, pointing)[:, 0]), self.no_obj_ptr),
            candidates=found,
            shown=shown,
        )

    def remember(self, coarse: Tensor, mask: Tensor, present: Tensor) -> Tensor:
        """Encode spatial memories.

        Parameters
        ----------
        coarse
            Features ``[B, C, S / 16, S / 16]``.
        mask
            Probabilities or a binary mask, 0..1, ``[B, 1, S, S]``.
        present
            Whether the object is on the frame, bool ``[B, 1]``.

        Returns
        -------
        Tensor
            ``[B, M, S / 16, S / 16]``.
        """
        memory: Tensor = self.memory_encoder(coarse, _MASK_SCALE * mask + _MASK_SHIFT)
        if self.no_obj_embed_spatial is not None:
            absent = torch.where(present, 0.0, self.no_obj_embed_spatial).to(memory.dtype)
            memory = memory + absent[..., None, None]
        return memory

    def memory_tokens(self, recalls: Sequence[Recall], *, mode: Mode, n_frames: int) -> MemoryTokens | None:
        """Lay out recalled memories for :meth:`attend`; ``None`` if nothing was recalled.

        In a stack the pointer of a frame that lies ahead (negative offset) is left out, as in SAM 2.
        """
        spatial = [recall for recall in recalls if recall.spatial]
        pointed = [recall for recall in recalls if "pointer" in recall.memory.tokens]
        if mode == "stack":
            pointed = [recall for recall in pointed if recall.offset is None or recall.offset >= 0]
        if not spatial and not pointed:
            return None

        device, dtype, width = self.no_mem_embed.device, self.no_mem_embed.dtype, self.config.memory_dim
        if spatial:
            maps = torch.stack([recall.memory.tokens["spatial"] for recall in spatial], dim=1)
            place = sine_code(width, *maps.shape[-2:], device).to(dtype).flatten(2).transpose(1, 2)
            slots = torch.stack([self._slot_code(recall, mode) for recall in spatial])
            cells, code = maps.flatten(3).transpose(2, 3), place[:, None] + slots[None, :, None]
        else:
            cells = code = torch.zeros((1, 0, self.config.grid**2, width), device=device, dtype=dtype)
        if pointed:
            split = self.config.dim // width
            pointers = torch.cat([recall.memory.tokens["pointer"] for recall in pointed], dim=1)
            pointers = pointers.unflatten(1, (-1, width))
            times = self._pointer_code(pointed, mode, n_frames).repeat_interleave(split, dim=0)[None]
        else:
            split = 0
            pointers = times = torch.zeros((1, 0, width), device=device, dtype=dtype)
        bias = None
        if any(recall.weight != recalls[0].weight for recall in recalls):
            counts = [cells.shape[2]] * len(spatial) + [split] * len(pointed)
            logs = [math.log(recall.weight) for recall in (*spatial, *pointed)]
            bias = torch.tensor(logs, device=device).repeat_interleave(torch.tensor(counts, device=device))
        return MemoryTokens(cells, code, pointers, times, bias)

    # ---- details ------------------------------------------------------------------------------------------------

    def _precision(self, device: torch.device) -> AbstractContextManager[object]:
        return nullcontext() if self.autocast is None else torch.autocast(device.type, dtype=self.autocast)

    def adopt(self, features: ImageFeatures, mask: Tensor) -> Prediction:
        """Take the user's mask ``[1, 1, S, S]`` in 0..1 as the answer; the decoder only makes its pointer."""
        *fine, coarse = features.levels
        side = self.image_size // 4
        logits = resize(_MASK_SCALE * mask + _MASK_SHIFT, (side, side), antialias=True)
        present = bool((mask > 0).any())
        pointer = None
        if self.config.behaviour.pointers:
            nothing = torch.zeros((1, 1, 2), device=mask.device), torch.full((1, 1), NOTHING, device=mask.device)
            prompts, dense = self.sam_prompt_encoder(*nothing, self.mask_downsample(mask))
            code = self.sam_prompt_encoder.pe_layer.grid(coarse.shape[-1])
            found: Candidates = self.sam_mask_decoder(coarse, code, tuple(fine), prompts, dense)
            seen = present and bool(found.score > 0)
            pointer = self.obj_ptr_proj(found.tokens[:, 0]) if seen else self.no_obj_ptr
        return Prediction(
            logits=logits.float(),
            iou=1.0,
            objectness=float(torch.tensor(_MASK_SCALE * present + _MASK_SHIFT).sigmoid()),
            pointer=pointer,
            conditioned=self.attend(coarse, None) if self.config.behaviour.conditioned_memory else None,
        )

    def _slot_code(self, recall: Recall, mode: Mode) -> Tensor:
        """Temporal code of a spatial memory, ``[M]``: the last slot is that of prompted frames."""
        behaviour = self.config.behaviour
        used = behaviour.temporal_code if mode == "stack" else behaviour.flow_memory_position
        if not used:
            return torch.zeros_like(self.maskmem_tpos_enc[0, 0, 0])
        slot = self.config.memory_slots
        if mode == "stack" and not recall.pinned and recall.slot is not None:
            slot = min(recall.slot, slot)
        return self.maskmem_tpos_enc[slot - 1, 0, 0]

    def _pointer_code(self, recalls: Sequence[Recall], mode: Mode, n_frames: int) -> Tensor:
        """Time code of pointers, ``[N, M]``: zeros in version 2.0 and where order means nothing."""
        used = mode == "stack" or self.config.behaviour.flow_memory_position
        if self.obj_ptr_tpos_proj is None or not used:
            return self.maskmem_tpos_enc.new_zeros(len(recalls), self.config.memory_dim)
        longest = max(1, min(n_frames, self.config.behaviour.max_pointers) - 1)
        away = [abs(recall.offset or 0) / longest if mode == "stack" else 0.0 for recall in recalls]
        distance = torch.tensor(away, device=self.maskmem_tpos_enc.device)
        code: Tensor = self.obj_ptr_tpos_proj(time_code(distance, self.config.dim).to(self.maskmem_tpos_enc.dtype))
        return code


def _corrected_logits(prompts: PromptTensors | None) -> Tensor | None:
    """The mask that clicks correct, as a mask prompt beside them: so SAM 2 was trained to refine (section 4)."""
    if prompts is None or prompts.correcting is None:
        return None
    return _MASK_SCALE * prompts.correcting + _MASK_SHIFT
