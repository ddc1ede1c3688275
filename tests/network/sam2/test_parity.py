"""Our SAM 2 against outputs of the original one, for weights re-made from names and shapes."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from golden.cases import SETS, Cases, build
from golden.recipe import Golden
from napari_medsam2.network.interface import Memory, PromptTensors, Recall
from napari_medsam2.network.sam2.config import Behaviour

GOLDEN = Golden()
CASES = sorted({key.split("/")[0] for key in GOLDEN.keys("small_128")} - {"mask"})
TOLERANCE = 1e-3


@cache
def _cases(name: str) -> Cases:
    return Cases(name, long="long4/low" in GOLDEN.keys(name))


def _errors(name: str, case: str) -> dict[str, float]:
    keys = [key for key in GOLDEN.keys(name) if key.split("/")[0] == case]
    found = _cases(name).out
    return {key: GOLDEN.error(f"{name}/{key}", found[key].detach().numpy()) for key in keys}


@pytest.mark.parametrize("case", CASES)
def test_small_network_agrees_with_the_original(case: str) -> None:
    errors = _errors("small_128", case)
    assert errors
    assert max(errors.values()) < TOLERANCE, errors


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["t21_512", "t20_512", "t21_1024"])
def test_released_sizes_agree_with_the_original(name: str) -> None:
    cases = {key.split("/")[0] for key in GOLDEN.keys(name)} - {"mask"}
    errors = {key: error for case in cases for key, error in _errors(name, case).items()}
    assert errors
    assert max(errors.values()) < TOLERANCE, errors


@pytest.mark.parametrize(
    ("name", "least"),
    [("small_128", 0.97), pytest.param("t21_512", 0.98, marks=(pytest.mark.slow, pytest.mark.timeout(600)))],
)
def test_masks_in_bfloat16_are_those_in_float32(name: str, least: float) -> None:
    """Of made weights, whose logits lie nearer to zero than those of trained ones; the small masks have 1024 pixels."""
    found = Cases(name, long=False, bfloat16=True).out
    overlaps = {}
    for key in [key for key in GOLDEN.keys(name) if key.endswith("/low") and key in found]:
        expected, mask = _cases(name).out[key] > 0, found[key] > 0
        overlaps[key] = float((expected & mask).sum() / (expected | mask).sum())
    assert len(overlaps) >= 10
    assert min(overlaps.values()) >= least, overlaps


def _prompts(**changes: torch.Tensor) -> PromptTensors:
    empty = {"points": torch.zeros(0, 2), "point_labels": torch.zeros(0, dtype=torch.int64), "boxes": torch.zeros(0, 4)}
    return PromptTensors(**{**empty, **changes})


def _check(case: str, **found: torch.Tensor | None) -> None:
    for key, value in found.items():
        assert value is not None
        assert GOLDEN.error(f"small_128/{case}/{key}", value.numpy()) < TOLERANCE, (case, key)


def test_a_drawn_mask_becomes_the_answer_and_its_pointer() -> None:
    cases = _cases("small_128")
    features = cases.network.encode_image(cases.frame(0))
    found = cases.network.segment(features, _prompts(mask=cases.mask), [], mode="stack")
    _check("mask", low=found.logits, ptr=found.pointer)
    assert found.iou == 1.0
    assert found.objectness == pytest.approx(torch.tensor(10.0).sigmoid().item())
    memory = cases.network.encode_memory(features, found, 20 * cases.mask - 10, prompted=True)
    _check("mem", mask=memory.tokens["spatial"])


def test_the_session_side_gives_the_same_as_the_building_blocks() -> None:
    """A click on frame 0, remembered, and the next frame without a prompt."""
    cases = _cases("small_128")
    network = cases.network
    first = network.encode_image(cases.frame(0))
    click = _prompts(points=torch.tensor([[260.0, 200.0]]) / 4, point_labels=torch.tensor([1]))
    prediction = network.segment(first, click, [], mode="stack", n_frames=4)
    _check("point", low=prediction.logits, ptr=prediction.pointer)
    memory = network.encode_memory(first, prediction, cases.high(prediction.logits), prompted=True)
    _check("mem", point=memory.tokens["spatial"])

    second = network.encode_image(cases.frame(1))
    tracked = network.segment(second, None, [Recall(memory, offset=1, pinned=True)], mode="stack", n_frames=4)
    _check("track1", low=tracked.logits, ptr=tracked.pointer)
    later = network.encode_memory(second, tracked, cases.high(tracked.logits), prompted=False)
    _check("track1", mem=later.tokens["spatial"])


def test_a_box_is_two_corners() -> None:
    cases = _cases("small_128")
    features = cases.network.encode_image(cases.frame(0))
    box = torch.tensor([[120.0, 90.0, 330.0, 300.0]]) / 4
    _check("box", low=cases.network.segment(features, _prompts(boxes=box), [], mode="stack").logits)


def test_an_object_that_is_not_there_gets_its_own_pointer_and_memory() -> None:
    network = build("small_128")
    torch.nn.init.constant_(network.sam_mask_decoder.pred_obj_score_head.layers[2].bias, -20.0)
    features = network.encode_image(torch.zeros(1, 3, 128, 128))
    found = network.segment(features, None, [], mode="stack")
    assert found.objectness < 0.01
    assert float(found.logits.max()) < -1000
    torch.testing.assert_close(found.pointer, network.no_obj_ptr.detach())


def test_every_set_can_be_built_at_any_input_size() -> None:
    assert set(SETS) == {"small_128", "t21_512", "t20_512", "t21_1024"}
    with pytest.raises(ValueError, match=r"takes images \[B, 3, 128, 128\]; got \[1, 3, 64, 64\]"):
        build("small_128", Behaviour()).encode(torch.zeros(1, 3, 64, 64))


def test_a_pointer_that_lies_ahead_is_left_out() -> None:
    network = build("small_128")
    tokens = {"spatial": torch.zeros(1, 16, 8, 8), "pointer": torch.ones(1, 64)}
    recalls = [Recall(Memory(tokens), offset=offset, pinned=True) for offset in (2, -1)]
    laid_out = network.memory_tokens(recalls, mode="stack", n_frames=4)
    assert laid_out is not None
    assert laid_out.spatial.shape[1] == 2
    assert laid_out.pointers.shape[1] == 4  # one pointer of 64 channels as four tokens of 16
