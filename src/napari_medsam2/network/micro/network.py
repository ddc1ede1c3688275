"""The bundled network: a small convolutional relative of SAM 2 that reads its memory by explicit matching.

The roles are SAM 2's (image encoder, memory read, mask decoder with prompts, memory encoder); the parts are chosen for
learning fast from synthetic data and for running on one CPU core. Memory is read in two ways, both weighted per
entry: a ridge regression from pixel features to the remembered masks, solved in closed form from per-entry moments
(the idea of closed-form few-shot heads, Bertinetto et al. 2019, arXiv 1805.08136), and a cosine attention that carries
remembered masks and features to pixels that look alike (Oh et al. 2019, arXiv 1904.00607).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...geometry.parts import parts_at
from ...types import Mode
from ..interface import (
    Adaptation,
    AdaptationSet,
    ImageFeatures,
    Memory,
    Prediction,
    PromptTensors,
    Recall,
    SegmentationNetwork,
)
from ..resample import resize
from .adaptation import adapt_decoder, adapted_layers
from .back_check import as_template, found_again
from .config import MicroConfig
from .decoder import CoarseAnswer, MaskDecoder
from .encoder import MicroFeatures, Trunk, grey_of, local_contrast
from .memory import MemoryReader, MicroMemory
from .outline import Outliner, without_additions
from .prior import SAM_SIZE, PriorEncoder
from .prompt_maps import draw_neighbour_image, prompt_maps

#: How far an answer to boxes is known beside them, where other things of the kind may lie.
UNBOXED = 0.1
#: Mask logits, predicted IoU logit, objectness logit, ridge score and carried masks; see :meth:`MicroNetwork.decode`.
Answer = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class MicroNetwork(SegmentationNetwork):
    """The bundled network; see the module's docstring. Batched parts for training, the interface for the session."""

    uses_neighbour = True
    adapts = True
    box_detail = 1.5
    boxes_clicked = True
    #: Logits above which a pixel belongs to the mask that is shown on a slice with a box, and on one with clicks
    #: alone: people draw outlines a little outside of where the network is sure. What is remembered goes without them.
    box_threshold, click_threshold = -1.25, -0.6

    def __init__(self, config: MicroConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MicroConfig()
        self.image_size = config.image_size
        self.region_size = config.region_size
        w4 = config.widths[1]
        self.trunk = Trunk(config.widths)
        self.match = nn.Conv2d(w4 + 3, config.match_dim, 1)
        self.memory = MemoryReader(config)
        self.decoder = MaskDecoder(config)
        #: What photographs taught: heard in flows, and asked for outlines where there are prompts.
        self.prior = PriorEncoder(config.prior_dim) if config.prior_dim else None
        self.fine_size = SAM_SIZE if self.prior is not None else None
        #: An answer that was checked back is rarely sure, and templates outweigh what is wrong in it.
        self.least_remembered = 0.25 if self.prior is not None else self.least_remembered
        #: MobileSAM has seen more closely already.
        self.box_detail = 1.0 if self.prior is not None else self.box_detail

    # ---- batched parts

    def encode(self, image: Tensor, mode: Mode = "stack", fine: Tensor | None = None) -> tuple[MicroFeatures, Tensor]:
        """Encode images ``[B, 3, S, S]`` in 0..1; also returns image descriptors ``[B, D]`` of unit length.

        ``fine`` shows the same at any size, for outlines; ``None``: there are no prompts.
        """
        prior, embedding = self._pretrained(image, mode, fine)
        local, grey = local_contrast(image), grey_of(image)
        image = (image - 0.5) / 0.25
        f2, f4, f8 = self.trunk(torch.cat([image, local], 1))
        colour = F.avg_pool2d(image, 4)
        match = self.match(torch.cat([f4, colour], 1))
        match = match / match.square().mean(1, keepdim=True).add(1e-4).sqrt()
        # Which images are alike is asked where matching is done; the coarsest features are the same for all images.
        moments = torch.cat([match.mean((2, 3)), match.std((2, 3))], 1)
        match = torch.cat([match, torch.ones_like(match[:, :1])], 1)
        return MicroFeatures(f2, f4, f8, match, grey, prior, embedding), F.normalize(moments, dim=1)

    def _pretrained(self, image: Tensor, mode: Mode, fine: Tensor | None) -> tuple[Tensor, Tensor]:
        """Pretrained features and a constant one, and the embedding for outlines; without channels where unused.

        Stacks do without the features, and frames of stacks that have no prompts without the embedding.
        """
        unused = image[:, :0, ::4, ::4]
        if self.prior is None:
            return unused, unused
        if mode == "stack":
            return unused, unused if fine is None else self.prior.embedding(fine)
        prior, embedding = self.prior(image, fine)
        return torch.cat([prior, torch.ones_like(prior[:, :1])], 1), embedding

    def decode(
        self,
        features: MicroFeatures,
        maps: Tensor,
        memory: MicroMemory | None,
        weights: Tensor | None,
        mode: Mode,
        adaptation: Adaptation | None = None,
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
        mode
            Of all ``B`` sequences.
        adaptation
            What the decoder learned about this object; ``None`` for the decoder as it is.

        Returns
        -------
        tuple
            Mask logits ``[B, 1, S/2, S/2]``, predicted IoU logit ``[B]``, objectness logit ``[B]``, and the two
            matching maps: ridge score ``[B, 1, S/4, S/4]`` and carried masks ``[B, heads, S/8, S/8]``.
        """
        score, read = self.read_memory(features, memory, weights, mode)
        layers = None if adaptation is None else adapted_layers(self.decoder, adaptation)
        logits, quality = self.decoder(features, maps, score, read, layers)
        carried = read.view(len(read), self.config.heads, -1, *read.shape[-2:])[:, :, 0]
        return logits, quality[:, 0], quality[:, 1], score, carried

    def read_memory(
        self, features: MicroFeatures, memory: MicroMemory | None, weights: Tensor | None, mode: Mode
    ) -> tuple[Tensor, Tensor]:
        """What memory says about a batch, as for :meth:`decode`: ridge score, and what attention carries over."""
        if memory is not None and weights is not None:
            return self.memory.ridge(features, memory, weights), self.memory.attend(features, memory, weights, mode)
        b, _, h, w = features.s8.shape
        score = features.match.new_zeros(b, 1, *features.match.shape[-2:])
        return score, features.s8.new_zeros(b, self.config.heads * (1 + self.config.head_dim), h, w)

    # ---- the session's interface

    def encode_image(self, image: Tensor, mode: Mode = "stack", *, fine: Tensor | None = None) -> ImageFeatures:
        features, descriptor = self.encode(image, mode, fine)
        return ImageFeatures(tuple(vars(features).values()), descriptor[0].float().cpu())

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
        own = MicroFeatures(*features.levels)
        if prompts is not None and prompts.mask is not None:
            return Prediction((prompts.mask - 0.5) * 40.0, iou=1.0, objectness=1.0)
        side = own.s2.shape[-1]
        neighbour_grey = grey_of(neighbour_image) if neighbour_image is not None else None
        if prompts is not None and prompts.correcting is not None:  # a frame that is corrected is its own neighbour
            neighbour_mask, neighbour_grey = prompts.correcting, own.grey
        maps = prompt_maps(prompts, neighbour_mask, mode=mode, side=side, device=own.s2.device)
        if neighbour_mask is not None and neighbour_grey is not None:
            maps = draw_neighbour_image(maps, own.grey, neighbour_grey)
        memory = weights = None
        spatial = [r for r in recalls if r.spatial]
        if spatial:
            memory = MicroMemory.cat([MicroMemory.of(r.memory.tokens) for r in spatial])
            weights = own.s2.new_tensor([[r.weight for r in spatial]])
        adaptation = Adaptation.mean([r.adaptation for r in recalls if r.adaptation is not None])
        answer = self.decode(own, maps, memory, weights, mode, adaptation)
        if prompts is not None:
            answer = self.look_again(own, maps, answer, memory, weights, mode)
        outlines = [] if prompts is None else self._outlines(own, prompts, maps, answer[0], mode)
        outline = outlines[0] if outlines else None
        if outline is not None and prompts is not None:
            # In a stack what is remembered is to stay as tight as the slices that follow are drawn: half is the own,
            # but where clicks chose another reading.
            halved = mode == "stack" and prompts.choosing is None
            answer = ((outline + answer[0]) / 2 if halved else outline, *answer[1:])
        if prompts is not None and mode == "flow":
            answer = self._look_for_more(own, prompts, answer, memory, weights)
            if outline is not None and len(prompts.boxes):
                answer = (without_additions(answer[0], outline, maps[:, 2:3] > 0), *answer[1:])
        logits, iou, objectness, _, _ = answer
        quality, there = float(iou.sigmoid()), float(objectness.sigmoid())
        if outline is not None and prompts is not None:
            threshold = self.box_threshold / 2 if mode == "stack" and prompts.correcting is None else 0.0
            readings = tuple(outlines) if len(outlines) > 1 else ()
            return Prediction(logits.float(), quality, there, threshold=threshold, readings=readings)
        if mode == "flow" and (prompts is None or prompts.correcting is not None):
            again = found_again(self.memory, own, _enlarged(logits).sigmoid(), [r.memory.tokens for r in spatial])
            quality = quality if again is None else (quality * again) ** 0.5
        in_boxes = None if mode == "stack" else self.box_threshold
        return Prediction(
            logits.float(), quality, there, threshold=self._threshold(prompts, mode), threshold_in_boxes=in_boxes
        )

    def _threshold(self, prompts: PromptTensors | None, mode: Mode) -> float:
        """The logit above which the mask is shown.

        0 in a flow, where a lower one would add whole look-alikes outside of boxes, and where red clicks correct a mask
        that was shown like that: they are not to make it larger.
        """
        if prompts is None or mode == "flow" or (prompts.correcting is not None and not prompts.point_labels.any()):
            return 0.0
        return self.box_threshold if len(prompts.boxes) else self.click_threshold

    def look_again(
        self,
        features: MicroFeatures,
        maps: Tensor,
        answer: Answer,
        memory: MicroMemory | None,
        weights: Tensor | None,
        mode: Mode,
        *,
        known: Tensor | None = None,
    ) -> Answer:
        """Segment again with the first answer remembered: what looks like its inside, and what like its outside?

        It brings masks to edges and gives a click its extent. Parameters and result are those of :meth:`decode`, with
        the first look's answer, and how far that is ``known`` ``[B, 1, S/2, S/2]``, ``None`` for everywhere.
        """
        first = _enlarged(answer[0]).sigmoid().detach()
        seen = self.memory.remember(features, first, known)
        one = first.new_ones(len(first), 1)
        memory = seen if memory is None else MicroMemory.cat([memory, seen])
        weights = one if weights is None else torch.cat([weights, one], 1)
        return self.decode(features, maps, memory, weights, mode)

    def _outlines(
        self, features: MicroFeatures, prompts: PromptTensors, maps: Tensor, like: Tensor, mode: Mode
    ) -> list[Tensor]:
        """Logits as ``like``, the own answer, of what is prompted as MobileSAM outlines it, and of what else it may be.

        None if it isn't asked.

        It is not for clicks in a stack, where the network's own answer tells better how far the object goes, unless
        they correct a mask; nor for those that do in a flow, where the mask may be of many things.
        """
        if self.prior is None or not features.embedding.shape[1]:
            return []
        outliner = Outliner(self.prior.sam, features.embedding, 2 * features.s2.shape[-1])
        if prompts.correcting is not None:
            if mode == "flow" or not len(prompts.points):
                return []
            return [resize(outliner.corrected(prompts, prompts.correcting), (like.shape[-2], like.shape[-1]))]
        if not len(prompts.boxes) and (mode == "stack" or not bool(prompts.point_labels.any())):
            return []
        own = like
        if not len(prompts.boxes):
            # What a click means is better known by the own features alone, and by all that looks like it.
            blind = replace(features, prior=features.prior[:, :0])
            first = self.look_again(blind, maps, self.decode(blind, maps, None, None, mode), None, None, mode)
            like = self._look_for_more(blind, prompts, first, None, None)[0]
        return [resize(outline, (like.shape[-2], like.shape[-1])) for outline in outliner.around(prompts, like, own)]

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
        free = prompt_maps(None, None, mode="flow", side=side, device=device)
        boxes = prompt_maps(prompts, None, mode="flow", side=side, device=device)[:, 2:3]
        more = answer
        for _ in range(2):
            # Beside boxes others of the kind may lie: that they are not in the mask says little.
            known = None
            if len(prompts.boxes):
                found = more[0].sigmoid()
                known = torch.maximum(boxes.clamp(min=UNBOXED), (found > 0.5) * found)
            more = self.look_again(features, free, more, memory, weights, "flow", known=known)
            more = (torch.maximum(more[0], answer[0]), *more[1:])
        unwanted = [(int(y) // 2, int(x) // 2) for x, y in prompts.points[prompts.point_labels == 0].tolist()]
        if not unwanted:
            return more
        added = ((more[0] > 0) & (answer[0] <= 0))[0, 0].cpu().numpy()
        refused = torch.from_numpy(parts_at(added, unwanted)).to(device)
        return (torch.where(refused, answer[0], more[0]), *more[1:])

    def adapt(self, adaptation_set: AdaptationSet) -> Adaptation:
        return adapt_decoder(self.decoder, *self.coarse_answers(adaptation_set), adaptation_set)

    @torch.no_grad()
    def coarse_answers(self, adaptation_set: AdaptationSet) -> tuple[MicroFeatures, CoarseAnswer]:
        """What does not change while the decoder adapts: features of the views, and its answers at strides 8 and 4."""
        count = len(adaptation_set.views)
        shown, _ = self.encode(adaptation_set.image, adaptation_set.mode)
        features, _ = self.encode(adaptation_set.views, adaptation_set.mode)
        own = self.memory.remember(shown, adaptation_set.mask)
        memory = MicroMemory(*(tensor.expand(count, *tensor.shape[1:]) for tensor in own.tensors()))
        mode, side, device = adaptation_set.mode, shown.s2.shape[-1], adaptation_set.mask.device
        neighbour_mask = adaptation_set.mask if mode == "stack" else None
        maps = prompt_maps(None, neighbour_mask, mode=mode, side=side, device=device).expand(count, -1, -1, -1)
        if mode == "stack":
            maps = draw_neighbour_image(maps, features.grey, shown.grey.expand(count, -1, -1, -1))
        score, read = self.read_memory(features, memory, maps.new_ones(count, 1), mode)
        return features, self.decoder.coarse(features, maps, score, read)

    def encode_memory(self, features: ImageFeatures, prediction: Prediction, mask: Tensor, *, prompted: bool) -> Memory:
        seen, probability = MicroFeatures(*features.levels), mask.sigmoid()
        made = self.memory.remember(seen, probability)
        in_flow = bool(seen.prior.shape[1])
        return Memory(vars(made) | (as_template(seen, probability) if prompted and in_flow else {}))


def _enlarged(logits: Tensor) -> Tensor:
    """Logits ``[B, 1, S/2, S/2]`` at the size of the network input."""
    size = 2 * logits.shape[-1]
    return resize(logits, (size, size))
