"""Runs every golden case through our network, with memories laid out by the code that the session uses."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from golden.recipe import ellipse, frame, layouts, weight
from napari_medsam2.network.interface import Memory, Recall
from napari_medsam2.network.sam2.config import LAYOUTS, Behaviour, Sam2Config
from napari_medsam2.network.sam2.decoded import Decoded
from napari_medsam2.network.sam2.memory import MemoryTokens
from napari_medsam2.network.sam2.network import Sam2
from napari_medsam2.network.sam2.position import sine_code
from napari_medsam2.network.sam2.precision import into_bfloat16

#: 1.46 M parameters of the published kind: small enough for every test run.
SMALL = Sam2Config(
    embed_dim=16,
    stages=(1, 1, 3, 1),
    global_blocks=(3,),
    dim=64,
    memory_dim=16,
    memory_layers=2,
    memory_feedforward=128,
    image_size=128,
)

# The golden frames are normalised already.
_AS_IT_IS = Behaviour(normalise=False)
SETS = {
    "small_128": ("small_128", SMALL),
    "t21_512": ("sam2.1_hiera_t", replace(LAYOUTS["tiny"], image_size=512)),
    "t20_512": ("sam2_hiera_t", replace(LAYOUTS["tiny"], image_size=512, version="2.0")),
    "t21_1024": ("sam2.1_hiera_t", LAYOUTS["tiny"]),
}


def build(name: str, behaviour: Behaviour = _AS_IT_IS) -> Sam2:
    """The network of a golden set with its re-made weights, in evaluation mode."""
    layout, config = SETS[name]
    network = Sam2(replace(config, behaviour=behaviour))
    shapes = layouts()[layout]
    network.load_state_dict({key: torch.from_numpy(weight(key, tuple(shape))) for key, shape in shapes.items()})
    return network.eval()


class Cases:
    """All outputs of one set by key, in float32 or bfloat16; made once, compared many times."""

    def __init__(self, name: str, *, long: bool, bfloat16: bool = False) -> None:
        self.network = build(name)
        if bfloat16:
            into_bfloat16(self.network)
        self.size = self.network.image_size
        self.out: dict[str, Tensor] = {}
        with torch.inference_mode():
            self._levels = {t: self.network.encode(self.frame(t)) for t in range(4)}
            self._prompts()
            self._memory()
            self._track()
            if long:
                self._long()

    def frame(self, t: int) -> Tensor:
        return torch.from_numpy(frame(t, self.size))[None]

    def _points(self, *points: tuple[float, float, int]) -> tuple[Tensor, Tensor]:
        xy = torch.tensor([[p[:2] for p in points]], dtype=torch.float32) * (self.size / 512)
        return xy, torch.tensor([[p[2] for p in points]])

    def _keep(self, case: str, found: Decoded, *, several: bool) -> Decoded:
        self.out[f"{case}/low"] = found.logits
        self.out[f"{case}/iou"] = found.candidates.iou[:, 1:] if several else found.iou
        self.out[f"{case}/score"] = found.score
        self.out[f"{case}/ptr"] = found.pointer
        return found

    def _prompts(self) -> None:
        net, out = self.network, self.out
        out["enc/fpn0"], out["enc/fpn1"], out["enc/fpn2"] = net.image_encoder(self.frame(0))
        s0, s1, coarse = self._levels[0]
        out["enc/s0"], out["enc/s1"] = s0, s1
        out["enc/pos2"] = sine_code(*coarse.shape[1:], coarse.device)

        plain = net.attend(coarse, None)
        positive, negative = (260, 200, 1), (100, 400, 0)
        box = (120, 90, 2), (330, 300, 3)
        told = {
            "point": (positive,),
            "negpoint": (negative,),
            "twopoints": (positive, negative),
            "box": box,
            "boxpoint": (*box, positive),
        }
        for case, points in told.items():
            found = net.decode(plain, (s0, s1), *self._points(*points))
            self._keep(case, found, several=len(points) == 1)
        self.first = first = net.decode(plain, (s0, s1), *self._points(positive))
        sparse, dense = net.sam_prompt_encoder(*self._points(positive))
        out["point/raw_sparse"], out["point/raw_dense"] = sparse, dense[:, :, 0, 0]
        out["point/raw_masks4"], out["point/raw_iou4"] = first.candidates.logits, first.candidates.iou
        out["point/raw_tok4"] = first.candidates.tokens
        out["point/raw_ptr4"] = net.obj_ptr_proj(first.candidates.tokens)

        before = first.logits.clamp(-32, 32)
        refined = net.decode(plain, (s0, s1), *self._points(positive, negative), before)
        self._keep("refine", refined, several=False)
        self.mask = torch.from_numpy(ellipse(self.size))[None, None]
        quarter = F.interpolate(20 * self.mask - 10, scale_factor=0.25, mode="bilinear", antialias=True)
        self._keep("maskprompt", net.decode(plain, (s0, s1), *self._points((0, 0, -1)), quarter), several=True)

    def _memory(self) -> None:
        net, coarse = self.network, self._levels[0][2]
        high = self.high(self.first.logits)
        present, absent = torch.tensor([[True]]), torch.tensor([[False]])
        self.out["mem/point"] = net.remember(coarse, (high > 0).float(), present)
        self.out["mem/point_soft"] = net.remember(coarse, high.sigmoid(), present)
        self.out["mem/mask"] = net.remember(coarse, (20 * self.mask - 10).sigmoid(), present)
        self.out["mem/occluded"] = net.remember(coarse, torch.zeros_like(high), absent)
        self.out["mem/pos"] = sine_code(*self.out["mem/point"].shape[1:], coarse.device)

    def high(self, low: Tensor) -> Tensor:
        return F.interpolate(low, size=(self.size, self.size), mode="bilinear")

    def _recall(
        self, current: int, t: int, *, pinned: bool = False, slot: int | None = None, reverse: bool = False
    ) -> Recall:
        spatial = pinned or (slot is not None and slot < 7)
        slot = slot if spatial else None
        offset = t - current if reverse else current - t
        return Recall(self._memories[t], offset=offset, pinned=pinned, slot=slot, spatial=spatial)

    def _conditioned(self, t: int, recalls: list[Recall], n_frames: int) -> Tensor:
        return self.network.attend(
            self._levels[t][2], self.network.memory_tokens(recalls, mode="stack", n_frames=n_frames)
        )

    def _step(self, case: str, t: int, n_frames: int) -> None:
        net = self.network
        s0, s1, coarse = self._levels[t]
        recalls = [self._recall(t, 0, pinned=True)]
        recalls += [self._recall(t, t - back, slot=back) for back in range(1, t)]
        conditioned = self._conditioned(t, recalls, n_frames)
        found = self._keep(case, net.decode(conditioned, (s0, s1), *self._points((0, 0, -1))), several=True)
        memory = net.remember(coarse, self.high(found.logits).sigmoid(), found.score > 0)
        self.out[f"{case}/cond"], self.out[f"{case}/mem"] = conditioned, memory
        self._memories[t] = Memory({"spatial": memory, "pointer": found.pointer})

    def _track(self) -> None:
        out = self.out
        self._memories = {0: Memory({"spatial": out["mem/point"], "pointer": out["point/ptr"]})}
        for t in range(1, 4):
            self._step(f"track{t}", t, 4)
        back = [self._recall(0, 3, pinned=True, reverse=True)]
        back += [self._recall(0, t, slot=t, reverse=True) for t in (1, 2)]
        out["reverse0/cond"] = self._conditioned(0, back, 4)
        both = [self._recall(2, 0, pinned=True), self._recall(2, 3, pinned=True), self._recall(2, 1, slot=1)]
        out["twocond2/cond"] = self._conditioned(2, both, 4)

        def stacked(*frames: int) -> Tensor:
            return torch.cat([self._memories[t].tokens["spatial"] for t in frames])

        maps = torch.stack([stacked(3, 1), stacked(1, 2)], dim=1).flatten(3).transpose(2, 3)
        place = out["mem/pos"].flatten(2).transpose(1, 2)[:, None]
        nothing = maps.new_zeros((2, 0, maps.shape[-1]))
        features = torch.cat([self._levels[1][2], self._levels[2][2]])
        out["bank2/out"] = self.network.attend(features, MemoryTokens(maps, place, nothing, nothing))

    def _long(self) -> None:
        for t in range(4, 12):
            self._levels[t] = self.network.encode(self.frame(t))
            self._step(f"long{t}", t, 12)
