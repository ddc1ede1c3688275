"""The bundled network: a small convolutional relative of SAM 2 that reads its memory by explicit matching.

The roles are SAM 2's (image encoder, memory read, mask decoder with prompts, memory encoder); the parts are chosen for
learning fast from synthetic data alone and for running on one CPU core. Memory is read in two ways, both weighted per
entry: a ridge regression from pixel features to the remembered masks, solved in closed form from per-entry moments
(the idea of closed-form few-shot heads, Bertinetto et al. 2019, arXiv 1805.08136), and a cosine attention that carries
remembered masks and features to pixels that look alike (Oh et al. 2019, arXiv 1904.00607).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..parts import parts_at
from .interface import ImageFeatures, Memory, Prediction, PromptTensors, Recall, SegmentationNetwork
from .prompt_maps import PROMPT_MAPS, draw_previous_image, prompt_maps


@dataclass(frozen=True)
class MicroConfig:
    """Sizes of the network. Saved with the weights, so that a file says what it is.

    Attributes
    ----------
    image_size
        Side of the network input in pixels for whole frames; a multiple of 16. The network takes any such size.
    region_size
        The same for windows around one object.
    widths
        Channels at strides 2, 4, 8, 16.
    match_dim
        Dimensions of the pixel features that the ridge regression works on.
    heads, head_dim
        Of the cosine attention to memory.
    """

    image_size: int = 256
    region_size: int = 128
    widths: tuple[int, int, int, int] = (24, 48, 80, 128)
    match_dim: int = 32
    heads: int = 4
    head_dim: int = 16


@dataclass(frozen=True)
class MicroFeatures:
    """Image features of a batch: ``s2``, ``s4``, ``s8`` maps, ``match`` ``[B, match_dim + 1, H/4, W/4]``, and the grey
    values ``[B, 1, H/2, W/2]``."""

    s2: Tensor
    s4: Tensor
    s8: Tensor
    match: Tensor
    grey: Tensor


@dataclass(frozen=True)
class MicroMemory:
    """Remembered frames of a batch, ``n`` entries each.

    ``gram [B, n, D, D]`` and ``corr [B, n, D]`` are the moments of the ridge regression, normalised by weight;
    ``keys [B, n, heads, N, head_dim]`` are of unit length, ``values [B, n, heads, N, 1 + head_dim]`` begin with the
    mask; both at stride 8 for stacks. ``coarse_keys`` and ``coarse_values`` are the same at stride 16, for flows.
    """

    gram: Tensor
    corr: Tensor
    keys: Tensor
    values: Tensor
    coarse_keys: Tensor
    coarse_values: Tensor

    @staticmethod
    def cat(memories: Sequence[MicroMemory]) -> MicroMemory:
        """Join entries of the same batch."""
        return MicroMemory(*(torch.cat(tensors, 1) for tensors in zip(*(m.tensors() for m in memories), strict=True)))

    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors, in the order of the fields."""
        return self.gram, self.corr, self.keys, self.values, self.coarse_keys, self.coarse_values


def pooled(mask: Tensor, like: Tensor) -> Tensor:
    """A mask ``[B, 1, H, W]`` averaged down to the resolution of a feature map."""
    return F.adaptive_avg_pool2d(mask, (like.shape[-2], like.shape[-1]))


def grey_of(image: Tensor) -> Tensor:
    """Grey values of images ``[B, 3, S, S]`` in 0..1 as the decoder sees them: ``[B, 1, S/2, S/2]``, about -2..2."""
    return F.avg_pool2d((image.mean(1, keepdim=True) - 0.5) / 0.25, 2)


def local_contrast(image: Tensor) -> Tensor:
    """Grey values relative to their surroundings, ``[B, 1, S, S]``: walls and edges, whatever the shading around them.

    Mean and spread are taken over about three sixteenths of the frame.
    """
    grey = image.mean(1, keepdim=True)
    block = max(image.shape[-1] // 16, 1)
    moments = F.avg_pool2d(torch.cat([grey, grey.square()], 1), block)
    moments = F.avg_pool2d(moments, 3, stride=1, padding=1, count_include_pad=False)
    mean, square = F.interpolate(moments, size=grey.shape[-2:], mode="bilinear", align_corners=False).split(1, 1)
    spread = (square - mean.square()).clamp(min=0).sqrt()
    scale = spread + 0.2 * spread.mean((2, 3), keepdim=True) + 0.01
    return torch.div(grey - mean, scale)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(1, channels // 8), channels)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut, pre-activation free: conv-norm-act-conv-norm, add, act."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = _norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(y)))


def _down(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False), _norm(outputs), nn.ReLU())


class GlobalAttention(nn.Module):
    """One transformer block over all positions of a small map; positions come from the convolutions around it."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        t = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm1(t)).view(b, h * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v)
        t = t + self.proj(a.transpose(1, 2).reshape(b, h * w, c))
        t = torch.add(t, self.mlp(self.norm2(t)))
        return t.transpose(1, 2).reshape(b, c, h, w)


def _up(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class Trunk(nn.Module):
    """Image encoder: strides 2 to 16 with global attention at the coarsest, then a feature pyramid back to stride 2."""

    def __init__(self, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        w2, w4, w8, w16 = widths
        self.stage2 = nn.Sequential(_down(4, w2), ResidualBlock(w2))
        self.stage4 = nn.Sequential(_down(w2, w4), ResidualBlock(w4), ResidualBlock(w4))
        self.stage8 = nn.Sequential(_down(w4, w8), ResidualBlock(w8), ResidualBlock(w8))
        self.stage16 = nn.Sequential(
            _down(w8, w16), ResidualBlock(w16), GlobalAttention(w16), ResidualBlock(w16), GlobalAttention(w16)
        )
        self.to8 = nn.Conv2d(w16, w8, 1)
        self.to4 = nn.Conv2d(w8, w4, 1)
        self.to2 = nn.Conv2d(w4, w2, 1)
        self.smooth8 = ResidualBlock(w8)
        self.smooth4 = ResidualBlock(w4)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x2 = self.stage2(image)
        x4 = self.stage4(x2)
        x8 = self.stage8(x4)
        x16 = self.stage16(x8)
        f8 = self.smooth8(x8 + _up(self.to8(x16)))
        f4 = self.smooth4(x4 + _up(self.to4(f8)))
        f2 = x2 + _up(self.to2(f4))
        return f2, f4, f8


class MemoryReader(nn.Module):
    """Keys, values and moments of a remembered frame, and how the current frame reads them."""

    def __init__(self, config: MicroConfig) -> None:
        super().__init__()
        w8 = config.widths[2]
        self.heads, self.head_dim = config.heads, config.head_dim
        inner = config.heads * config.head_dim
        self.key = nn.Conv2d(w8, inner, 1)
        self.value = nn.Sequential(nn.Conv2d(w8 + 1, w8, 3, padding=1), nn.ReLU(), nn.Conv2d(w8, inner, 1))
        self.sharpness = nn.Parameter(torch.full((config.heads,), math.log(12.0)))
        # How much farther apart costs, per head, in stacks only: from "no matter" to "stay close".
        self.closeness = nn.Parameter(torch.linspace(0.0, 3.0, config.heads))
        self.log_ridge = nn.Parameter(torch.tensor(math.log(0.02)))

    def remember(self, features: MicroFeatures, mask: Tensor) -> MicroMemory:
        """Remember a batch of frames with their masks, probabilities ``[B, 1, S, S]``; one entry each."""
        b = mask.shape[0]
        x = features.match.flatten(2)  # [B, D, P]
        y = pooled(mask, features.match).flatten(1)  # [B, P]
        pixels = y.shape[1]
        inside, outside = y.sum(1, keepdim=True), (1 - y).sum(1, keepdim=True)
        balanced = 0.5 * y / inside.clamp(min=1.0) + 0.5 * (1 - y) / outside.clamp(min=1.0)
        weight = 0.5 * balanced + 0.5 / pixels
        xw = x * weight[:, None]
        gram = xw @ x.transpose(1, 2)
        corr = (xw * (2 * y - 1)[:, None]).sum(2)
        mask8 = pooled(mask, features.s8)
        key = self.key(features.s8)
        value = self.value(torch.cat([features.s8, mask8], 1))
        tokens = []
        for factor in (1, 2):
            k, v, carried = (F.avg_pool2d(x, factor) if factor > 1 else x for x in (key, value, mask8))
            inside = carried.flatten(2).transpose(1, 2)[:, None].expand(b, self.heads, -1, 1)
            tokens += [F.normalize(self._split(k), dim=-1)[:, None], torch.cat([inside, self._split(v)], -1)[:, None]]
        return MicroMemory(gram[:, None], corr[:, None], *tokens)

    def _split(self, x: Tensor) -> Tensor:
        """``[B, heads * dim, H, W]`` to ``[B, heads, H * W, dim]``."""
        b = x.shape[0]
        return x.flatten(2).view(b, self.heads, self.head_dim, -1).transpose(2, 3)

    def ridge(self, features: MicroFeatures, memory: MicroMemory, weights: Tensor) -> Tensor:
        """Score of each pixel by the ridge regression over all entries, ``[B, 1, H/4, W/4]``, about -1..1."""
        share = weights / weights.sum(1, keepdim=True)
        gram = (memory.gram * share[:, :, None, None]).sum(1)
        corr = (memory.corr * share[:, :, None]).sum(1)
        eye = torch.eye(gram.shape[-1], device=gram.device, dtype=gram.dtype)
        system = gram + self.log_ridge.exp() * eye
        able = torch.device("cpu") if system.device.type == "mps" else system.device  # Apple's GPUs learned it late
        solution = torch.linalg.solve(system.to(able), corr.to(able)).to(system.device)
        return torch.einsum("bd,bdhw->bhw", solution, features.match)[:, None]

    def attend(self, features: MicroFeatures, memory: MicroMemory, weights: Tensor, ordered: bool) -> Tensor:
        """Carry values to where the current frame looks alike, ``[B, heads * (1 + head_dim), H/8, W/8]``.

        What is added to a logit, ``log(weight) - price * distance**2``, is written as three more dimensions of queries
        and keys (up to a term that the softmax does not see): attention without a mask is several times faster.
        """
        b, _, h, w = features.s8.shape
        n = memory.keys.shape[1]
        key = self.key(features.s8)
        if ordered:
            keys, values, shape = memory.keys, memory.values, (h, w)
            price = 8.0 * F.softplus(self.closeness)
        else:
            # Unrelated images are matched coarsely: there are more of them, and places mean nothing.
            keys, values, shape = memory.coarse_keys, memory.coarse_values, (h // 2, w // 2)
            price = torch.zeros_like(self.closeness)
            key = F.avg_pool2d(key, 2)
        query = F.normalize(self._split(key), dim=-1) * self.sharpness.exp()[None, :, None, None]
        to = _centres(shape, query.device)  # [tokens, 2]
        place = 2 * price[:, None, None] * to  # [heads, tokens, 2]
        extra = torch.cat([place, torch.ones_like(place[..., :1])], -1).expand(b, -1, -1, -1)
        query = torch.cat([query, extra.to(query.dtype)], -1)
        told = torch.where(weights > 0, weights.clamp(min=1e-9).log(), -60.0)[:, :, None, None]  # [B, n, 1, 1]
        bias = told - price[:, None] * to.square().sum(1)  # [B, n, heads, tokens]
        where = torch.cat([to.expand(b, n, self.heads, -1, -1), bias[..., None]], -1)
        keys = torch.cat([keys, where.to(keys.dtype)], -1).permute(0, 2, 1, 3, 4).flatten(2, 3)
        # As wide as the keys: the fast path asks for it.
        values = F.pad(values.permute(0, 2, 1, 3, 4).flatten(2, 3), (0, 2))
        read = F.scaled_dot_product_attention(query, keys, values, scale=1.0)[..., :-2]
        read = read.transpose(2, 3).reshape(b, -1, *shape)
        return read if ordered else _up(read)


def _centres(shape: tuple[int, int], device: torch.device) -> Tensor:
    """Centres (y, x) of a grid's cells in frame sides, the frame's middle at 0, ``[H * W, 2]``."""
    y = (torch.arange(shape[0], device=device) + 0.5) / shape[0] - 0.5
    x = (torch.arange(shape[1], device=device) + 0.5) / shape[1] - 0.5
    return torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).flatten(0, 1)


#: Mask logits, predicted IoU logit, objectness logit, ridge score and carried masks; see :meth:`MicroNetwork.decode`.
Answer = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class MaskDecoder(nn.Module):
    """Features, prompt maps and what memory says, to mask logits at stride 2, predicted IoU and objectness."""

    def __init__(self, config: MicroConfig) -> None:
        super().__init__()
        w2, w4, w8, _ = config.widths
        d4, d8 = w4 + 16, w8 + 16
        read = config.heads * (1 + config.head_dim)
        self.prompt2 = nn.Sequential(nn.Conv2d(len(PROMPT_MAPS), 16, 3, padding=1), nn.ReLU())
        self.prompt4 = nn.Sequential(nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.ReLU())
        self.in4 = nn.Sequential(nn.Conv2d(w4 + 16 + 1, d4, 3, padding=1), _norm(d4), nn.ReLU(), ResidualBlock(d4))
        self.down = _down(d4, d8)
        self.in8 = nn.Sequential(nn.Conv2d(d8 + w8 + read, d8, 1), _norm(d8), nn.ReLU(), ResidualBlock(d8))
        self.mix = nn.Sequential(GlobalAttention(d8), ResidualBlock(d8), GlobalAttention(d8))
        self.up4 = nn.Conv2d(d8, d4, 1)
        self.out4 = nn.Sequential(ResidualBlock(d4), ResidualBlock(d4))
        self.up2 = nn.Conv2d(d4, w2 + 8, 1)
        self.skip2 = nn.Conv2d(w2 + 16, w2 + 8, 3, padding=1)
        self.out2 = nn.Sequential(ResidualBlock(w2 + 8), nn.Conv2d(w2 + 8, 1, 1))
        self.heads = config.heads
        self.judge = nn.Sequential(nn.Linear(2 * d8 + d4 + 2 + 8, 64), nn.ReLU(), nn.Linear(64, 2))

    def forward(self, features: MicroFeatures, maps: Tensor, score: Tensor, read: Tensor) -> tuple[Tensor, Tensor]:
        p2 = self.prompt2(maps)
        p4 = self.prompt4(p2)
        x4 = self.in4(torch.cat([features.s4, p4, score], 1))
        x8 = self.mix(self.in8(torch.cat([self.down(x4), features.s8, read], 1)))
        y4 = self.out4(x4 + _up(self.up4(x8)))
        y2 = F.relu(_up(self.up2(y4)) + self.skip2(torch.cat([features.s2, p2], 1)))
        logits = self.out2(y2)
        carried = read.view(read.shape[0], self.heads, -1, *read.shape[-2:])[:, :, 0].mean(1, keepdim=True)
        agreement = self._agreement(logits, score, carried, maps[:, 3:4])
        return logits, self.judge(torch.cat([self._summary(x8, y4, logits), agreement], 1))

    @staticmethod
    def _summary(x8: Tensor, y4: Tensor, logits: Tensor) -> Tensor:
        """What the judging head looks at: the frame, the inside of the mask, and how sure the mask is."""
        prob = logits.sigmoid()
        p8 = pooled(prob, x8)
        p4 = pooled(prob, y4)
        inside8 = (x8 * p8).sum((2, 3)) / (p8.sum((2, 3)) + 1.0)
        inside4 = (y4 * p4).sum((2, 3)) / (p4.sum((2, 3)) + 1.0)
        doubt = (prob * (1 - prob)).sum((1, 2, 3)) / (prob.sum((1, 2, 3)) + 1.0)
        area = prob.mean((1, 2, 3)).sqrt()
        return torch.cat([x8.mean((2, 3)), inside8, inside4, doubt[:, None], area[:, None]], 1)

    @staticmethod
    def _agreement(logits: Tensor, score: Tensor, carried: Tensor, previous: Tensor) -> Tensor:
        """What else the judging head looks at, ``[B, 8]``: do memory and the slice before agree?"""
        prob = logits.sigmoid()
        p4, p8 = pooled(prob, score), pooled(prob, carried)
        linear = (4.0 * score).sigmoid()

        def inside(values: Tensor, where: Tensor) -> Tensor:
            return (values * where).sum((1, 2, 3)) / (where.sum((1, 2, 3)) + 1.0)

        def overlap(a: Tensor, b: Tensor) -> Tensor:
            return 2 * (a * b).sum((1, 2, 3)) / (a.square().sum((1, 2, 3)) + b.square().sum((1, 2, 3)) + 1.0)

        return torch.stack(
            [
                inside(score, p4),
                inside(score, 1 - p4),
                score.amax((1, 2, 3)),
                overlap(linear, p4),
                overlap(carried, p8),
                carried.amax((1, 2, 3)),
                overlap(previous, prob),
                (prob.mean((1, 2, 3)) + 0.003).log() - (previous.mean((1, 2, 3)) + 0.003).log(),
            ],
            1,
        ).clamp(-4.0, 4.0)


class MicroNetwork(SegmentationNetwork):
    """The bundled network; see the module's docstring. Batched parts for training, the interface for the session."""

    def __init__(self, config: MicroConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MicroConfig()
        self.sees_neighbour = True
        self.image_size = config.image_size
        self.region_size = config.region_size
        w4 = config.widths[1]
        self.trunk = Trunk(config.widths)
        self.match = nn.Conv2d(w4 + 3, config.match_dim, 1)
        self.memory = MemoryReader(config)
        self.decoder = MaskDecoder(config)

    # ---- batched parts

    def encode(self, image: Tensor) -> tuple[MicroFeatures, Tensor]:
        """Encode images ``[B, 3, S, S]`` in 0..1; also returns image descriptors ``[B, D]`` of unit length."""
        local, grey = local_contrast(image), grey_of(image)
        image = (image - 0.5) / 0.25
        f2, f4, f8 = self.trunk(torch.cat([image, local], 1))
        colour = F.avg_pool2d(image, 4)
        match = self.match(torch.cat([f4, colour], 1))
        match = match / match.square().mean(1, keepdim=True).add(1e-4).sqrt()
        # Which images are alike is asked where matching is done; the coarsest features are the same for all images.
        moments = torch.cat([match.mean((2, 3)), match.std((2, 3))], 1)
        match = torch.cat([match, torch.ones_like(match[:, :1])], 1)
        return MicroFeatures(f2, f4, f8, match, grey), F.normalize(moments, dim=1)

    def decode(
        self, features: MicroFeatures, maps: Tensor, memory: MicroMemory | None, weights: Tensor | None, ordered: bool
    ) -> Answer:
        """Segment a batch.

        Parameters
        ----------
        features
            Of ``B`` network inputs.
        maps
            Prompt maps ``[B, len(PROMPT_MAPS), S/2, S/2]``, see :func:`prompt_maps`.
        memory, weights
            ``n`` entries and their weights ``[B, n]`` (1 is an equal share), or ``None`` for no memory.
        ordered
            True for stacks, False for flows.

        Returns
        -------
        tuple
            Mask logits ``[B, 1, S/2, S/2]``, predicted IoU logit ``[B]``, objectness logit ``[B]``, and the two
            matching maps: ridge score ``[B, 1, S/4, S/4]`` and carried masks ``[B, heads, S/8, S/8]``.
        """
        b, _, h, w = features.s8.shape
        heads, dim = self.config.heads, self.config.head_dim
        if memory is None or weights is None:
            score = features.match.new_zeros(b, 1, *features.match.shape[-2:])
            read = features.s8.new_zeros(b, heads * (1 + dim), h, w)
        else:
            score = self.memory.ridge(features, memory, weights)
            read = self.memory.attend(features, memory, weights, ordered)
        logits, judged = self.decoder(features, maps, score, read)
        carried = read.view(b, heads, 1 + dim, h, w)[:, :, 0]
        return logits, judged[:, 0], judged[:, 1], score, carried

    # ---- the session's interface

    def encode_image(self, image: Tensor) -> ImageFeatures:
        features, descriptor = self.encode(image)
        levels = (features.s2, features.s4, features.s8, features.match, features.grey)
        return ImageFeatures(levels, descriptor[0].float().cpu())

    def segment(
        self,
        features: ImageFeatures,
        prompts: PromptTensors | None,
        recalls: Sequence[Recall],
        *,
        ordered: bool,
        previous: Tensor | None = None,
        previous_image: Tensor | None = None,
        n_frames: int = 1,
    ) -> Prediction:
        own = MicroFeatures(*features.levels)
        if prompts is not None and prompts.mask is not None:
            return Prediction((prompts.mask - 0.5) * 40.0, iou=1.0, objectness=1.0)
        side = own.s2.shape[-1]
        maps = prompt_maps(prompts, previous, ordered=ordered, side=side, device=own.s2.device)
        if previous is not None and previous_image is not None:
            maps = draw_previous_image(maps, own.grey, grey_of(previous_image))
        memory = weights = None
        spatial = [r for r in recalls if r.spatial]
        if spatial:
            memory = MicroMemory.cat([MicroMemory(**r.memory.tokens) for r in spatial])
            weights = own.s2.new_tensor([[r.weight for r in spatial]])
        answer = self.decode(own, maps, memory, weights, ordered)
        if prompts is not None:
            answer = self.look_again(own, maps, answer, memory, weights, ordered)
        if prompts is not None and not ordered:
            answer = self._look_for_more(own, prompts, answer, memory, weights)
        logits, iou, objectness, _, _ = answer
        return Prediction(logits.float(), float(iou.sigmoid()), float(objectness.sigmoid()))

    def look_again(
        self,
        features: MicroFeatures,
        maps: Tensor,
        answer: Answer,
        memory: MicroMemory | None,
        weights: Tensor | None,
        ordered: bool,
    ) -> Answer:
        """Second look: what looks like the inside of the first answer, and what like its outside?

        It brings masks to edges and gives a click its extent. Parameters and result are those of :meth:`decode`, with
        the first look's answer.
        """
        logits = answer[0]
        size = 2 * logits.shape[-1]
        first = F.interpolate(logits, size=(size, size), mode="bilinear", align_corners=False).sigmoid().detach()
        seen = self.memory.remember(features, first)
        one = logits.new_ones(len(logits), 1)
        memory = seen if memory is None else MicroMemory.cat([memory, seen])
        weights = one if weights is None else torch.cat([weights, one], 1)
        return self.decode(features, maps, memory, weights, ordered)

    def _look_for_more(
        self,
        features: MicroFeatures,
        prompts: PromptTensors,
        answer: Answer,
        memory: MicroMemory | None,
        weights: Tensor | None,
    ) -> Answer:
        """In a flow the object is a kind of thing: what else on the prompted frame is of that kind?

        The frame is looked at as the others will be, without its prompts, remembering what they gave. What that finds
        is added, except the parts that a negative click is on.
        """
        side = answer[0].shape[-1]
        device = answer[0].device
        free = prompt_maps(None, None, ordered=False, side=side, device=device)
        more = answer
        for _ in range(2):
            more = self.look_again(features, free, more, memory, weights, False)
            more = (torch.maximum(more[0], answer[0]), *more[1:])
        unwanted = [(int(y) // 2, int(x) // 2) for x, y in prompts.points[prompts.point_labels == 0].tolist()]
        if not unwanted:
            return more
        added = ((more[0] > 0) & (answer[0] <= 0))[0, 0].cpu().numpy()
        refused = torch.from_numpy(parts_at(added, unwanted)).to(device)
        return (torch.where(refused, answer[0], more[0]), *more[1:])

    def encode_memory(self, features: ImageFeatures, prediction: Prediction, mask: Tensor, *, prompted: bool) -> Memory:
        made = self.memory.remember(MicroFeatures(*features.levels), mask.sigmoid())
        return Memory(dict(vars(made)))
