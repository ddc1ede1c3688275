"""What goes over the network comes out as it went in, or is refused."""

from __future__ import annotations

import base64
import json
import math

import numpy as np
import pytest

from napari_medsam2.engine.events import Event, Restored, ResultReady
from napari_medsam2.engine.memory_events import BankTold
from napari_medsam2.engine.requests import RequestKind
from napari_medsam2.errors import WireError
from napari_medsam2.geometry.thumbnail import Thumbnail
from napari_medsam2.geometry.window import Window
from napari_medsam2.images.header import ImageHeader
from napari_medsam2.memory_bank import SelfSorting
from napari_medsam2.memory_entry import MemoryEntry, Origin
from napari_medsam2.prompts import MaskPrompt
from napari_medsam2.results import FrameResult
from napari_medsam2.session.journal import digest_of
from napari_medsam2.wire.chunks import (
    PART_BYTES,
    ImageLimits,
    check_part,
    checksum_of,
    headers_as_json,
    headers_of,
    pack_part,
    parts_of,
    unpack_part,
)
from napari_medsam2.wire.codec import decode, encode
from napari_medsam2.wire.lines import Told
from napari_medsam2.wire.task_parts import PART_BYTES as PART_BYTES_OF_TASKS
from napari_medsam2.wire.task_parts import TaskParts

SHAPE = (20, 30)


def shape_of(frame: int) -> tuple[int, int]:
    return SHAPE


def found(frame: int, confidence: float = 0.7) -> FrameResult:
    mask = np.zeros(SHAPE, bool)
    mask[3:9, 4 + frame : 9 + frame] = True
    logits = np.random.default_rng(frame).normal(3, 4, SHAPE).astype(np.float32)
    window = Window(-0.5, 2.25, 20.0, 1 / 3)
    return FrameResult(frame, 2, mask, confidence, 0.1 + 0.2, 1.0, True, 0.01, window, logits=logits)


def sent(value):
    return json.loads(json.dumps(encode(value), allow_nan=False))


def test_results_and_masks_keep_each_bit() -> None:
    result = found(3)
    back = decode(FrameResult, sent(result), shape_of)
    assert digest_of(back) == digest_of(result) and back.window == result.window and back.iou == result.iou
    empty = FrameResult(0, 1, np.zeros(SHAPE, bool), 0.0, 0.0, 0.0, False, 0.0)
    assert decode(FrameResult, sent(empty), shape_of).absent
    prompt = MaskPrompt(1, result.mask, 3)
    assert np.array_equal(decode(MaskPrompt, sent(prompt), shape_of).mask, result.mask)


def test_what_has_no_place_in_json_is_refused() -> None:
    for value in (math.nan, math.inf, object(), lambda: None, {1, 2}.__iter__(), np.array([1, math.nan])):
        with pytest.raises(WireError):
            encode(value)


@pytest.mark.parametrize(
    ("hint", "data"),
    [
        (int, True), (int, 1.5), (int, 2**60), (float, "1"), (bool, 1), (str, None), (tuple[int, int], [1]),
        (RequestKind, "format the disk"), (Window, {"is": "Window", "y0": 1}), (list[int], {"0": 1}),
        (Window, {"is": "Window", "y0": 0, "x0": 0, "size_y": -1, "size_x": 1}),
        (FrameResult, {"is": "FrameResult"}), (MaskPrompt, {"is": "MaskPrompt", "frame": 0, "mask": "AAAA"}),
        (Window, {"is": ["Window"]}), (int | None, "x"), (frozenset[int], [[1, 2]]),
    ],
)  # fmt: skip
def test_values_of_other_kinds_are_refused(hint, data) -> None:
    with pytest.raises(WireError):
        decode(hint, data, shape_of)


def bank_told(**changes) -> BankTold:
    """What is told of the memory of one object on a flow."""
    bank = SelfSorting(capacity=5)
    for frame, pinned in ((0, True), (2, False), (-1, True)):
        origin = Origin("cells", "monday.tif", None) if frame < 0 else None
        descriptor = np.eye(4)[frame] if frame else np.full(4, 0.5)
        bank.put_back(MemoryEntry(frame, 0.3, descriptor, pinned, payload=object(), held=frame == 2, origin=origin))
    picture = Thumbnail(np.arange(5 * 6 * 3, dtype=np.uint8).reshape(5, 6, 3), np.eye(5, 6, dtype=bool))
    told = {"pictures": {2: picture}, "descriptors": {3: np.ones(4, np.float32)}, "prompted": frozenset({0})}
    return BankTold(1, 1, 7, bank, **{**told, **changes})


def test_a_memory_bank_says_the_same_of_each_frame_on_the_other_side_and_what_the_network_made_stays() -> None:
    event = bank_told()
    back = decode(Event, sent(event), shape_of)
    now = np.array([0.5, 0.5, 0.1, 0.7])
    picks = [[(p.entry.frame, p.weight) for p in b.pick(3, now, n_frames=9)] for b in (event.bank, back.bank)]
    assert picks[0] == picks[1] and len(picks[0]) == 3 and back.bank.capacity == 5
    assert [(e.pinned, e.held, e.payload) for e in back.bank.entries] == [
        (True, False, None), (False, True, None), (True, False, None)
    ]  # fmt: skip
    assert np.array_equal(back.pictures[2].image, event.pictures[2].image) and back.prompted == {0}
    assert np.array_equal(back.pictures[2].outline, event.pictures[2].outline)


def _edited(change) -> dict:
    told = sent(bank_told())
    change(told)
    return told


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told["bank"]["rules"].update(capacity=0),
        lambda told: told["bank"]["rules"].update(temperature="hot"),
        lambda told: told["bank"]["entries"][0].update(payload={"is": "Window"}),
        lambda told: told["bank"]["entries"][0].update(confidence=2.0),
        lambda told: told["bank"]["entries"][0]["descriptor"].update(shape=[2, 2]),
        lambda told: told["bank"]["entries"][0]["descriptor"].update(shape=[1 << 30, 1 << 30]),
        lambda told: told["bank"]["entries"][0]["descriptor"].update(type="|O8"),
        lambda told: told["bank"]["entries"][0]["descriptor"].update(data="AAAA"),
        lambda told: told["bank"].update({"is": "MemoryBank"}),
        lambda told: told["pictures"][0].__setitem__(0, 99),
        lambda told: told["pictures"][0][1]["outline"].update(shape=[6, 5]),
        lambda told: told["descriptors"][0][1].update(shape=[2, 2]),
    ],
)
def test_memories_that_do_not_fit_together_are_refused(change) -> None:
    def shape_of_few(frame: int) -> tuple[int, int]:
        if frame > 9:
            raise WireError("there is no such frame")
        return SHAPE

    with pytest.raises(WireError):
        decode(Event, _edited(change), shape_of_few)


def test_parts_of_a_task_come_in_order_within_bounds_or_not_at_all() -> None:
    parts = TaskParts()
    part = {"name": "cells", "place": 0, "of": 2, "data": base64.b64encode(b"x" * 10).decode()}
    assert parts.add(part) is None
    for wrong in (
        {**part, "place": 0, "of": 10_000}, {**part, "place": 1, "of": 3}, {**part, "place": -1}, {**part, "data": "?"},
        {**part, "more": 1}, {**part, "data": base64.b64encode(bytes(PART_BYTES_OF_TASKS + 1)).decode()},
        {**part, "place": 1}, [],
    ):  # fmt: skip
        with pytest.raises(WireError):
            parts.add(wrong)
    parts.add(part)
    with pytest.raises(WireError, match="task file"):
        parts.add({**part, "place": 1})


def test_results_that_are_known_are_not_sent_again_and_come_back_all_the_same() -> None:
    here, there = Told(), Told()
    results = [found(t) for t in range(4)]
    for result in results:
        event = ResultReady(1, 1, result, RequestKind.PROPAGATE)
        there.unpack(json.loads(json.dumps(here.pack(event))), shape_of)
    other = found(9, confidence=0.2)
    event = Restored(2, 1, True, (), {(0, 2): results[0], (2, 2): results[2], (9, 2): other}, RequestKind.UNDO)
    told = json.dumps(here.pack(event))
    assert told.count("FrameResult") == 1
    back = there.unpack(json.loads(told), shape_of)
    assert {key: digest_of(each) for key, each in back.results.items()} == {
        key: digest_of(each) for key, each in event.results.items()
    }
    with pytest.raises(WireError, match="said to be known"):
        Told().unpack(json.loads(told), shape_of)


@pytest.mark.parametrize("dtype", ["u1", "i2", ">u2", "f2", "f4", "f8", "i8", "?"])
@pytest.mark.parametrize("colours", [(), (3,), (4,)])
def test_pixels_keep_each_bit(dtype: str, colours: tuple[int, ...]) -> None:
    frame = np.random.default_rng(0).integers(0, 2, (33, 17, *colours)).astype(dtype)
    header = ImageHeader.of(frame.shape, frame.dtype)
    (told,) = headers_of(json.loads(json.dumps(headers_as_json([header]))), ImageLimits())
    (rows,) = parts_of(told)
    packed = pack_part(frame[rows])
    check_part(packed, told, rows, checksum_of(packed))
    assert np.array_equal(unpack_part(packed, told, rows), frame)


def test_large_frames_go_in_parts_and_damage_is_noticed() -> None:
    header = ImageHeader.of((5000, 4000), np.uint16)
    parts = parts_of(header)
    assert len(parts) == 10 and parts[0].start == 0 and parts[-1].stop == 5000
    assert all((rows.stop - rows.start) * 8000 <= PART_BYTES for rows in parts)
    packed = bytearray(
        pack_part(np.arange(parts[-1].stop - parts[-1].start).repeat(4000).reshape(-1, 4000).astype("u2"))
    )
    packed[200:260] = bytes(60)
    with pytest.raises(WireError, match="checksum"):
        check_part(bytes(packed), header, parts[-1], "12345678")
    with pytest.raises(WireError, match="cannot be unpacked"):
        unpack_part(bytes(packed), header, parts[-1])
