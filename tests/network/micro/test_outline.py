"""Outlines of what prompts show: which masks MobileSAM is asked for, and which of its answers is taken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from napari_medsam2.models.loading import load_model
from napari_medsam2.network.interface import PromptTensors, no_prompts
from napari_medsam2.network.micro.back_check import found_again
from napari_medsam2.network.micro.encoder import MicroFeatures
from napari_medsam2.network.micro.network import MicroNetwork
from napari_medsam2.network.micro.outline import SUREST, Outliner, without_additions
from napari_medsam2.network.sam2.mask_decoder import Candidates


def disc(side: int, y: float, x: float, radius: float) -> Tensor:
    place = torch.arange(side)
    return ((place[:, None] - y) ** 2 + (place[None] - x) ** 2 <= radius**2).float()


class Offering(torch.nn.Module):
    """Offers discs of four sizes around the first point or the middle of a box, and notes what it was asked."""

    radii = (12.0, 3.0, 6.0, 24.0)

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Tensor, list[int], bool]] = []

    def ask(self, embedding: Tensor, points: Tensor, labels: Tensor, mask: Tensor | None = None) -> Candidates:
        self.asked.append((points[0], labels[0].tolist(), mask is not None))
        side = 4 * embedding.shape[-1]
        place = points[0, :2].mean(0) if labels[0, 0] == 2 else points[0, 0]
        x, y = (place / 4).tolist()
        logits = torch.stack([40 * disc(side, y, x, radius) - 20 for radius in self.radii])[None]
        return Candidates(logits, torch.ones(1, 4), torch.zeros(1, 4, 1), torch.zeros(1, 0))


@pytest.fixture
def sam() -> Offering:
    return Offering()


def outliner(sam: Any) -> Outliner:
    """For network inputs of 128 pixels, of which MobileSAM sees 512."""
    return Outliner(sam, torch.zeros(1, 8, 32, 32), 128)


def around(sam: Any, given: PromptTensors, like: Tensor | None = None) -> list[Tensor]:
    """Outlines, where the network's own answer is nothing, or the one that the prompts are to be like."""
    like = torch.full((1, 1, 64, 64), -1.0) if like is None else like
    return outliner(sam).around(given, like, torch.full((1, 1, 64, 64), -1.0))


def prompts(**given: Tensor) -> PromptTensors:
    return PromptTensors(**{**no_prompts(), **given})


def test_a_box_is_asked_for_twice_and_the_second_time_with_the_first_answer(sam: Offering) -> None:
    outline = around(sam, prompts(boxes=torch.tensor([[19.5, 39.5, 59.5, 79.5]])))[0]
    (corners, labels, with_mask), (_, _, again_with_mask) = sam.asked
    assert labels == [2, 3] and not with_mask and again_with_mask
    assert corners.tolist() == [[79.5, 159.5], [239.5, 319.5]]  # outer edges, four times as fine
    assert outline.shape == (1, 1, 128, 128) and outline.max() == SUREST == -outline.min()
    assert (outline[0, 0] > 0).sum() == disc(128, 59.875, 39.875, 12).sum()


def test_several_boxes_mean_their_union_and_clicks_go_with_the_box_that_they_are_in(sam: Offering) -> None:
    given = prompts(
        boxes=torch.tensor([[9.5, 9.5, 29.5, 29.5], [79.5, 79.5, 99.5, 99.5]]),
        points=torch.tensor([[20.0, 20.0], [90.0, 90.0], [60.0, 60.0]]),
        point_labels=torch.tensor([0, 1, 1]),
    )
    (outline,) = around(sam, given)
    assert [labels for _, labels, _ in sam.asked] == [[2, 3, 0], [2, 3, 0], [2, 3, 1], [2, 3, 1]]
    assert outline[0, 0, 20, 20] > 0 and outline[0, 0, 90, 90] > 0 > outline[0, 0, 60, 60]


@pytest.mark.parametrize(("radius", "expected"), [(1.5, 3.0), (3.0, 6.0), (6.0, 12.0), (14.0, 24.0)])
def test_a_click_means_what_the_own_answer_is_most_like(sam: Offering, radius: float, expected: float) -> None:
    like = 20 * disc(64, 32, 32, radius) - 10
    like[:8] = 10  # another part, which the click is not on
    given = prompts(points=torch.tensor([[64.0, 64.0]]), point_labels=torch.tensor([1]))
    outline = around(sam, given, like[None, None])[0]
    assert abs(int((outline > 0).sum()) - int(disc(128, 64, 64, expected).sum())) <= 30


def test_what_else_a_click_may_mean_is_kept_and_further_clicks_choose(sam: Offering) -> None:
    given = prompts(points=torch.tensor([[64.0, 64.0]]), point_labels=torch.tensor([1]))
    like = (20 * disc(64, 32, 32, 3.0) - 10)[None, None]
    areas = [int((outline > 0).sum()) for outline in around(sam, given, like)]
    assert len(areas) == 4 and areas[0] == sorted(areas)[1], "the best guess, and the other three"
    for x, positive, expected in ((64 + 17, 1, 3), (64 + 5, 0, 0), (64 + 40, 1, 1)):
        choosing = torch.tensor([[float(x), 64.0, positive]])
        first = around(sam, replace(given, choosing=choosing), like)[0]
        assert int((first > 0).sum()) == sorted(areas)[expected], "clicks that no reading agrees with choose none"


def test_negative_clicks_go_with_every_positive_one(sam: Offering) -> None:
    points = torch.tensor([[30.0, 30.0], [90.0, 90.0], [60.0, 60.0]])
    given = prompts(points=points, point_labels=torch.tensor([1, 1, 0]))
    around(sam, given)
    assert [labels for _, labels, _ in sam.asked] == [[1, 0], [1, 0]]


def test_a_mask_is_corrected_by_all_clicks_at_once_and_is_clear(sam: Offering) -> None:
    points = torch.tensor([[30.0, 30.0], [90.0, 90.0]])
    given = prompts(points=points, point_labels=torch.tensor([0, 1]), correcting=disc(128, 60, 60, 20)[None, None])
    assert given.correcting is not None
    outline = outliner(sam).corrected(given, given.correcting)
    assert [(labels, with_mask) for _, labels, with_mask in sam.asked] == [([0, 1], True)]
    assert (outline[0, 0] > 0).sum() == disc(128, 30.375, 30.375, 12).sum(), "the first mask, for clear prompts"
    assert outline.max() == SUREST == -outline.min()


def test_in_a_box_nothing_is_added_but_neighbours_that_reach_in() -> None:
    boxes = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    boxes[..., 8:24, 8:24] = True
    outline = torch.full((1, 1, 32, 32), -8.0)
    outline[..., 12:16, 12:16] = 8
    found = outline.clone()
    found[..., 20:22, 10:12] = 5  # inside
    found[..., 9:11, 22:32] = 5  # reaches in
    found[..., 28:30, 2:4] = 5  # outside
    found[..., 13, 13] = -5  # the outline is kept
    kept = without_additions(found, outline, boxes)[0, 0] > 0
    assert kept[13, 13] and kept[10, 23] and kept[10, 30] and kept[29, 3] and not kept[21, 11]
    assert kept.sum() == 16 + 20 + 4


@pytest.fixture(scope="module")
def micro() -> MicroNetwork:
    network = load_model("micro", device="cpu").network
    assert isinstance(network, MicroNetwork)
    return network


def painted() -> Tensor:
    """A bright disc with a rough rim on a darker ground, ``[1, 3, 256, 256]``."""
    generator = torch.Generator().manual_seed(0)
    image = 0.3 + 0.4 * disc(256, 120, 100, 40) + 0.03 * torch.randn(256, 256, generator=generator)
    return image.clamp(0, 1).expand(1, 3, -1, -1)


@torch.inference_mode()
def test_stacks_are_embedded_for_outlines_only_where_there_are_prompts(micro: MicroNetwork) -> None:
    image = painted()
    assert micro.fine_size == 512
    assert not micro.encode(image, "stack")[0].embedding.shape[1]
    assert micro.encode(image, "stack", image)[0].embedding.shape == (1, 256, 24, 24)
    assert micro.encode(image, "flow", image)[0].embedding.shape == (1, 256, 32, 32)
    assert micro.encode(image, "flow")[0].embedding.shape == (1, 256, 24, 24), "half the work where nothing is outlined"


@torch.inference_mode()
@pytest.mark.parametrize("mode", ["stack", "flow"])
def test_a_box_gives_the_outline_in_both_modes(micro: MicroNetwork, mode: Any) -> None:
    features = micro.encode_image(painted(), mode, fine=painted())
    box = torch.tensor([[59.5, 79.5, 140.5, 160.5]])
    answer = micro.segment(features, prompts(boxes=box), [], mode=mode)
    found = torch.nn.functional.interpolate(answer.logits, (256, 256), mode="bilinear")[0, 0] > answer.threshold
    truth = disc(256, 120, 100, 40) > 0
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.95


@torch.inference_mode()
def test_a_click_in_a_stack_brings_a_mask_that_is_too_small_to_the_edge(micro: MicroNetwork) -> None:
    """And where the slice was not embedded for outlines, the network corrects it by itself."""
    small = disc(256, 120, 90, 26)[None, None]
    click = torch.tensor([[128.0, 120.0]])
    given = prompts(points=click, point_labels=torch.tensor([1]), correcting=small)
    truth = disc(256, 120, 100, 40) > 0

    def dice_with(fine: Tensor | None) -> float:
        answer = micro.segment(micro.encode_image(painted(), "stack", fine=fine), given, [], mode="stack")
        found = torch.nn.functional.interpolate(answer.logits, (256, 256), mode="bilinear")[0, 0] > answer.threshold
        return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))

    assert dice_with(painted()) > 0.95 and dice_with(None) > 0.95


@torch.inference_mode()
def test_an_answer_that_finds_the_template_again_is_believed_more(micro: MicroNetwork) -> None:
    features = micro.encode_image(painted(), "flow")
    mask = (20 * disc(256, 120, 100, 40) - 10)[None, None]
    drawn = prompts(mask=(mask > 0).float())
    memory = micro.encode_memory(features, micro.segment(features, drawn, [], mode="flow"), mask, prompted=True)
    own = MicroFeatures(*features.levels)
    right = found_again(micro.memory, own, (mask > 0).float(), [memory.tokens])
    wrong = found_again(micro.memory, own, (20 * disc(256, 40, 220, 20) - 10)[None, None].sigmoid(), [memory.tokens])
    assert right is not None and wrong is not None and right > 0.8 > 0.5 > wrong
    unprompted = micro.encode_memory(features, micro.segment(features, None, [], mode="flow"), mask, prompted=False)
    assert found_again(micro.memory, own, mask.sigmoid(), [unprompted.tokens]) is None
