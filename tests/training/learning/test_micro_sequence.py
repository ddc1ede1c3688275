"""Sequences of the bundled network: prompts and corrections on the way, memory as in inference, losses that fall."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from training_helpers import TINY, small_micro

from napari_medsam2.memory_bank import Fifo
from napari_medsam2.memory_entry import MemoryEntry
from napari_medsam2.network.micro.memory import MicroMemory
from napari_medsam2.network.micro.prompt_maps import PROMPT_MAPS
from napari_medsam2.training.data.batches import make_batch
from napari_medsam2.training.learning.micro_frames import MicroFrames, carried_over
from napari_medsam2.training.learning.micro_memories import SequenceMemories
from napari_medsam2.training.learning.micro_options import SequenceOptions
from napari_medsam2.training.learning.micro_prompting import add_corrections
from napari_medsam2.training.learning.micro_sequence import sequence_loss


def test_training_lowers_the_loss_on_one_batch() -> None:
    torch.manual_seed(0)
    network, batch = small_micro(), make_batch(TINY, 0)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        loss, _ = sequence_loss(network, batch, SequenceOptions(teacher=1.0, prompts_stack=0.0, prompts_flow=0.0))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_later_frames_are_prompted_and_corrected_in_training() -> None:
    network = small_micro()
    for number in range(4):  # stacks and flows, new prompts and corrective clicks
        batch = make_batch(TINY, number)
        torch.manual_seed(number)
        loss, figures = sequence_loss(network, batch, SequenceOptions(prompts_stack=1.0, prompts_flow=1.0))
        assert torch.isfinite(loss) and 0 <= figures["others"] <= 1


def test_corrective_clicks_come_with_the_mask_that_they_correct() -> None:
    torch.manual_seed(0)
    batch = make_batch(
        TINY, next(n for n in range(9) if make_batch(TINY, n).mode == "stack" and not make_batch(TINY, n).rollout)
    )
    network, options = small_micro(), SequenceOptions()
    frames = MicroFrames(network, batch)
    first, nothing_before = add_corrections(frames, options, 0, list(batch.prompts), (None, None))
    assert nothing_before is None
    for given, more in zip(batch.prompts, first, strict=True):
        assert more is not None and more.mask == given.mask and np.array_equal(more.boxes, given.boxes)
        assert len(given.points) <= len(more.points) <= len(given.points) + 3
    frames.neighbour_mask = batch.masks[:, 0]
    recalled = network.memory.remember(frames.features[0], batch.masks[:, 0]), torch.ones(frames.count, 1)
    later, _ = add_corrections(frames, options, 1, [None] * frames.count, recalled)
    assert all(p is None or 1 <= len(p.points) <= 3 for p in later) and any(later)
    correcting = torch.zeros(frames.count, 1, frames.size, frames.size)
    correcting[..., :8, :] = 1.0
    maps = dict(zip(PROMPT_MAPS, frames.maps(1, later, correcting).unbind(1), strict=True))
    for i, p in enumerate(later):
        corrected = p is not None
        assert maps["has prompt"][i].all() == corrected
        assert (maps["neighbour mask"][i, :4] == 1).all() == corrected
        assert (maps["change"][i] == 0).all() == corrected, "a corrected frame is its own neighbour"
    maps = dict(zip(PROMPT_MAPS, frames.maps(1, later, 0 * correcting).unbind(1), strict=True))
    assert [bool(seen.all()) for seen in maps["has neighbour"]] == [p is None for p in later], "nothing is no neighbour"


def test_training_recalls_what_the_bank_of_inference_would() -> None:
    memories = SequenceMemories([Fifo(), Fifo()])
    one = torch.zeros(2, 1, 1)
    for t in range(9):
        entry = MemoryEntry(frame=t, confidence=0.9, descriptor=np.ones(1), pinned=t == 0, payload=None)
        absent = t == 4
        memories.add(t, MicroMemory(*[one] * 8), [entry, None if absent else entry])
    _, weights = memories.recall(9, np.ones((2, 1)), pinned_only=False)
    assert weights[0].tolist() == [1, 0, 0, 1, 1, 1, 1, 1, 1]  # the prompted frame and the six nearest
    assert weights[1].tolist() == [1, 0, 0, 1, 0, 1, 1, 1, 1]  # the object was not on frame 4
    _, weights = memories.recall(9, np.ones((2, 1)), pinned_only=True)
    assert weights[0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]


def test_a_mask_is_carried_over_into_the_next_window() -> None:
    old, new = torch.tensor([[10.0, 20.0, 32.0, 32.0]]), torch.tensor([[14.0, 20.0, 16.0, 32.0]])
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:12, 5:9] = 1  # rows 18 to 22 of the slice
    moved = carried_over(mask, old, new)
    rows, columns = np.nonzero(moved[0, 0].numpy() > 0.5)
    assert (rows.min(), rows.max() + 1) == (8, 16), "4 rows of 16 are seen on 8 of 32"
    assert (columns.min(), columns.max() + 1) == (5, 9)
    beyond = torch.tensor([[10.0, 40.0, 32.0, 32.0]])
    assert not carried_over(torch.ones(1, 1, 32, 32), old, beyond)[..., 14:].any()


def test_what_follows_a_long_run_is_judged_and_the_run_itself_is_not() -> None:
    config = replace(TINY, flows=0.0, bridges=0.0, rollouts=1.0, first_length=3, length=3)
    made = make_batch(config, 1)
    assert 1 <= made.rollout <= 3 and made.images.shape[1] == 3 + made.rollout
    network = small_micro().eval()
    options = SequenceOptions(teacher=1.0, prompts_stack=0.0, recent_dropout=0.0)
    loss, _ = sequence_loss(network, made, options)
    wrong = made.masks.clone()
    wrong[:, -1] = 1 - wrong[:, -1]
    assert sequence_loss(network, replace(made, masks=wrong), options)[0] > loss
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
