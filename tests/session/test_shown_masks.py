"""Which pixels of an answer are shown: finer looks, thresholds, and what red clicks take away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes import PLAIN, BlobNetwork, box, click, moving_disc
from scipy import ndimage

from napari_medsam2.models.device import Model
from napari_medsam2.prompts import BoxPrompt, FramePrompts, PointPrompt
from napari_medsam2.segment.corrections import clicked_away
from napari_medsam2.session.session import Session


class FinerBlobs(BlobNetwork):
    """Wants to see frames with a box twice as finely; notes the side of every input that it segments."""

    box_detail = 2.0

    def __init__(self) -> None:
        super().__init__(64)
        self.seen: list[int] = []

    def encode_image(self, image, mode="stack", *, fine=None):
        self.image_size = image.shape[-1]
        return super().encode_image(image, mode)

    def segment(self, features, *args, **kwargs):
        self.seen.append(features.levels[0].shape[-1])
        return super().segment(features, *args, **kwargs)

    def encode_memory(self, features, *args, **kwargs):
        self.image_size = features.levels[0].shape[-1]
        assert self.image_size == 64, "what is remembered is as fine as the other frames"
        return super().encode_memory(features, *args, **kwargs)


@pytest.mark.parametrize("region", [False, True])
def test_a_frame_with_a_box_is_also_seen_more_finely_and_remembered_like_the_others(region):
    frames, masks = moving_disc(4)
    network = FinerBlobs().eval()
    model = Model(name="blobs", network=network, device=torch.device("cpu"), region=region)
    session = Session(model, frames, mode="stack", contrast=PLAIN)
    session.add(box(1, masks))
    for result in session.propagate():
        np.testing.assert_array_equal(result.mask, masks[result.frame])
    assert sorted(network.seen) == [64, 64, 64, 64, 128]
    network.calls.clear()
    session.add(click(1, masks))
    assert session.segment(1).mask.any() and network.calls.encoded == 0, "a click beside the box waits for no image"
    session.reset()
    network.seen.clear()
    session.add(click(1, masks))
    assert session.segment(1).mask.any() and set(network.seen) == {64}


class Generous(BlobNetwork):
    """Is half sure of a margin around the blob, which is shown with a box."""

    def segment(self, features, prompts, recalls, **kwargs):
        said = super().segment(features, prompts, recalls, **kwargs)
        blob = said.logits[0, 0].numpy() > 0
        margin = torch.from_numpy(ndimage.binary_dilation(blob) & ~blob)
        boxed = prompts is not None and len(prompts.boxes) > 0
        return replace(said, logits=said.logits.masked_fill(margin, -1.0), threshold=-2.0 if boxed else 0.0)


def test_the_threshold_of_a_mask_is_the_network_s_and_memory_does_without():
    frames, masks = moving_disc(2)
    model = Model(name="blobs", network=Generous().eval(), device=torch.device("cpu"), region=False)
    session = Session(model, frames, mode="stack", contrast=PLAIN)
    session.add(box(0, masks))
    first, second = session.propagate()
    np.testing.assert_array_equal(first.mask, ndimage.binary_dilation(masks[0]))
    np.testing.assert_array_equal(second.mask, masks[1])
    remembered = session.memory().entries[0].payload.tokens["mask"][0, 0].numpy() > 0
    np.testing.assert_array_equal(remembered, masks[0])


class GenerousInBoxes(Generous):
    """Shows the margin inside of boxes only."""

    def segment(self, features, prompts, recalls, **kwargs):
        said = super().segment(features, prompts, recalls, **kwargs)
        return replace(said, threshold=0.0, threshold_in_boxes=-2.0)


def test_a_threshold_for_boxes_is_for_what_is_in_them():
    frames, masks = moving_disc(2)
    model = Model(name="blobs", network=GenerousInBoxes().eval(), device=torch.device("cpu"), region=False)
    session = Session(model, frames, mode="flow", contrast=PLAIN)
    given = BoxPrompt(0, 24.5, 14.5, 39.5, 20.5)  # the left part of the disc
    session.add(given)
    first, second = session.propagate()
    expected = masks[0] | ndimage.binary_dilation(masks[0]) & (np.arange(64) <= 20)
    np.testing.assert_array_equal(first.mask, expected)
    np.testing.assert_array_equal(second.mask, masks[1])


class Sloping(BlobNetwork):
    """Is less and less sure towards the right, and shows what it is half sure of."""

    def segment(self, features, prompts, recalls, **kwargs):
        said = super().segment(features, prompts, recalls, **kwargs)
        slope = torch.linspace(3.0, -3.0, said.logits.shape[-1])
        return replace(said, logits=slope.expand_as(said.logits).contiguous(), threshold=-1.5)


def test_a_red_click_takes_its_pixel_away_and_the_mask_elsewhere_stays_as_it_was():
    frames, masks = moving_disc(2)
    model = Model(name="blobs", network=Sloping().eval(), device=torch.device("cpu"), region=False)
    session = Session(model, frames, mode="stack", contrast=PLAIN)
    session.add(box(0, masks))

    def shown(*columns):
        session.replace_prompts(1, 0, [box(0, masks), *(PointPrompt(0, 10, x, positive=False) for x in columns)])
        return int(session.segment(0).mask[10].sum())

    without = shown()
    assert 32 < without < 60, "shown is more than what is likelier than not"
    assert shown(without + 3) == without, "that was not in the mask anyway"
    assert shown(without - 1) == without - 1
    assert shown(without + 3, without - 4) == without - 7, "and what is around it, up to the border"
    assert shown(5) == 0, "not even where the network is sure of it in spite of the click"
    assert session.result(0).mask[20, 4], "what is surer stays elsewhere"
    remembered = session.memory().entries[0].payload.tokens["mask"][0, 0].numpy()
    assert remembered[10].sum() == 0, "nor is it remembered"


def test_a_red_click_leaves_other_parts_and_what_is_surer_alone():
    logits = np.full((8, 20), -3.0, np.float32)
    logits[2:6, 1:8] = np.linspace(3, 1, 7)
    logits[2:6, 12:19] = 0.5
    away = clicked_away(logits, logits > 0, FramePrompts.of(PointPrompt(0, 3, 5, positive=False), PointPrompt(0, 4, 3)))
    assert away[2:6, 5:8].all() and away[3, 4] and away.sum() == 4 * 3 + 1, "its less sure end, and around the click"
    away = clicked_away(logits, logits > 0, FramePrompts.of(PointPrompt(0, 3, 15, positive=False)))
    assert away[2:6, 12:19].all() and away.sum() == 4 * 7
    beside = FramePrompts.of(PointPrompt(0, 3, 10, positive=False), PointPrompt(0, 3, 3))
    assert clicked_away(logits, logits > 0, beside) is None
