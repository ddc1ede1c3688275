"""Training: prompts that fit, losses that tell right from wrong, and runs that learn and resume."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import disc
from safetensors.torch import load_file, save_file

from napari_medsam2.cli.main import main
from napari_medsam2.geometry.parts import largest_error
from napari_medsam2.models.loading import load_model
from napari_medsam2.network.losses import dice_loss
from napari_medsam2.training.config import TrainConfig, describe_options
from napari_medsam2.training.data.batches import make_batch
from napari_medsam2.training.data.prompts import corrective_click, simulate_prompt
from napari_medsam2.training.learning.losses import calibration_loss, mask_bce, true_iou, volume_loss
from napari_medsam2.training.learning.micro_sequence import carried_over
from napari_medsam2.training.mask_errors import with_large_error
from napari_medsam2.training.run.files import WEIGHTS

TINY = TrainConfig(steps=4, pixels=2 * 2 * 64 * 64, size=64, first_length=2, length=2, warmup=1, workers=0)


def test_the_same_step_makes_the_same_batch() -> None:
    first, second = make_batch(TINY, 7), make_batch(TINY, 7)
    assert torch.equal(first.images, second.images) and torch.equal(first.masks, second.masks)
    assert not torch.equal(first.images[0], make_batch(TINY, 8).images[0])


def test_simulated_prompts_point_at_the_object() -> None:
    mask = np.zeros((40, 50), bool)
    mask[5:15, 10:30] = mask[20:35, 35:45] = True
    for seed in range(20):
        prompt = simulate_prompt(mask, np.random.default_rng(seed))
        for (x, y), label in zip(prompt.points, prompt.labels, strict=True):
            assert mask[int(y), int(x)] == bool(label)
        for x0, y0, x1, y1 in prompt.boxes:
            assert mask[int((y0 + y1) / 2), int((x0 + x1) / 2)]
    boxes = simulate_prompt(mask, np.random.default_rng(1), (1, 0, 0)).boxes
    assert len(boxes) == 2


def test_an_object_that_fills_the_window_gets_no_click_outside() -> None:
    mask = np.ones((16, 16), bool)
    for seed in range(40):
        assert not (simulate_prompt(mask, np.random.default_rng(seed), (0, 1, 0)).labels == 0).any()


def test_in_a_flow_a_few_of_many_things_may_say_which_kind_is_meant() -> None:
    mask = np.zeros((64, 64), bool)
    for k in range(6):
        mask[10 * k : 10 * k + 6, 10:20] = True
    every = [len(simulate_prompt(mask, np.random.default_rng(seed), (1, 0, 0)).boxes) for seed in range(20)]
    some = [len(simulate_prompt(mask, np.random.default_rng(seed), (1, 0, 0), few=1.0).boxes) for seed in range(20)]
    assert set(every) == {6} and set(some) == {1, 2, 3}


def test_losses_prefer_the_truth() -> None:
    target = torch.zeros(1, 1, 8, 8)
    target[..., 2:6, 2:6] = 1
    right, wrong = 10 * (2 * target - 1), -10 * (2 * target - 1)
    for loss in (partial(mask_bce, balance=0.5), partial(mask_bce, balance=0.0), dice_loss):
        assert loss(right, target) < 0.01 < loss(wrong, target)
    assert true_iou(right, target) == 1 and true_iou(wrong, target) == 0
    sure, unsure = torch.tensor([4.0]), torch.tensor([-4.0])
    assert calibration_loss(sure, right, target) < calibration_loss(unsure, right, target)
    assert calibration_loss(unsure, wrong, target) < calibration_loss(sure, wrong, target)


def test_training_lowers_the_loss_on_one_batch() -> None:
    from napari_medsam2.network.micro.network import MicroNetwork
    from napari_medsam2.training.learning.micro_sequence import SequenceOptions, sequence_loss

    torch.manual_seed(0)
    network, batch = MicroNetwork(), make_batch(TINY, 0)
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
    from napari_medsam2.network.micro.network import MicroNetwork
    from napari_medsam2.training.learning.micro_sequence import SequenceOptions, sequence_loss

    network = MicroNetwork()
    for number in range(4):  # stacks and flows, new prompts and corrective clicks
        batch = make_batch(TINY, number)
        torch.manual_seed(number)
        loss, figures = sequence_loss(network, batch, SequenceOptions(prompts_stack=1.0, prompts_flow=1.0))
        assert torch.isfinite(loss) and 0 <= figures["others"] <= 1


def test_corrective_clicks_come_with_the_mask_that_they_correct() -> None:
    from napari_medsam2.network.micro.network import MicroNetwork
    from napari_medsam2.network.micro.prompt_maps import PROMPT_MAPS
    from napari_medsam2.training.learning.micro_sequence import SequenceOptions, _SequenceRun

    torch.manual_seed(0)
    batch = make_batch(
        TINY, next(n for n in range(9) if make_batch(TINY, n).mode == "stack" and not make_batch(TINY, n).rollout)
    )
    run = _SequenceRun(MicroNetwork(), batch, SequenceOptions(corrections=0.0))
    first, nothing_before = run._corrected(0, list(batch.prompts), None, None)
    assert nothing_before is None
    for given, more in zip(batch.prompts, first, strict=True):
        assert more is not None and more.mask == given.mask and np.array_equal(more.boxes, given.boxes)
        assert len(given.points) <= len(more.points) <= len(given.points) + 3
    run._frame(0)
    later, _ = run._corrected(1, [None] * run.count, *run._recall(1))
    assert all(p is None or 1 <= len(p.points) <= 3 for p in later) and any(later)
    correcting = torch.zeros(run.count, 1, run.size, run.size)
    correcting[..., :8, :] = 1.0
    maps = dict(zip(PROMPT_MAPS, run._maps(1, run._features[1], later, correcting).unbind(1), strict=True))
    for i, p in enumerate(later):
        corrected = p is not None
        assert maps["has prompt"][i].all() == corrected
        assert (maps["neighbour mask"][i, :4] == 1).all() == corrected
        assert (maps["change"][i] == 0).all() == corrected, "a corrected frame is its own neighbour"
    maps = dict(zip(PROMPT_MAPS, run._maps(1, run._features[1], later, 0 * correcting).unbind(1), strict=True))
    assert [bool(seen.all()) for seen in maps["has neighbour"]] == [p is None for p in later], "nothing is no neighbour"


def test_training_recalls_what_the_bank_of_inference_would() -> None:
    from napari_medsam2.memory_bank import Fifo, MemoryEntry
    from napari_medsam2.network.micro.memory import MicroMemory
    from napari_medsam2.training.learning.micro_sequence import _Memories

    memories = _Memories([Fifo(), Fifo()])
    one = torch.zeros(2, 1, 1)
    for t in range(9):
        entry = MemoryEntry(frame=t, confidence=0.9, descriptor=np.ones(1), pinned=t == 0, payload=None)
        absent = t == 4
        memories.add(t, MicroMemory(*[one] * 6), [entry, None if absent else entry])
    _, weights = memories.recall(9, np.ones((2, 1)), pinned_only=False)
    assert weights[0].tolist() == [1, 0, 0, 1, 1, 1, 1, 1, 1]  # the prompted frame and the six nearest
    assert weights[1].tolist() == [1, 0, 0, 1, 0, 1, 1, 1, 1]  # the object was not on frame 4
    _, weights = memories.recall(9, np.ones((2, 1)), pinned_only=True)
    assert weights[0].tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]


def test_a_spoilt_mask_has_one_large_error() -> None:
    mask = disc((64, 64), 30, 34, 12)
    kinds = set()
    for seed in range(30):
        wrong = with_large_error(mask, np.random.default_rng(seed))
        kinds.add(("missing" if (mask & ~wrong).any() else "") + ("too much" if (wrong & ~mask).any() else ""))
        if (error := largest_error(mask, wrong)) is not None:
            assert error[0].sum() > 0.4 * (mask ^ wrong).sum()
    assert kinds >= {"missing", "too much", "missingtoo much"}
    sizes = [
        np.count_nonzero(with_large_error(mask, np.random.default_rng(seed)) ^ mask) / mask.sum() for seed in range(30)
    ]
    assert np.median(sizes) > 0.2
    assert any(with_large_error(np.zeros_like(mask), np.random.default_rng(seed)).any() for seed in range(9)), (
        "too much of nothing"
    )


def test_a_corrective_click_lands_in_the_largest_error() -> None:
    truth = np.zeros((40, 40), bool)
    truth[5:25, 5:25] = True
    missed = truth.copy()
    missed[15:25, 5:25] = False
    click = corrective_click(truth, missed)
    assert click is not None and click.labels.tolist() == [1]
    x, y = click.points[0]
    assert 15 <= y < 25 and 5 <= x < 25
    spilled = truth.copy()
    spilled[30:40, 10:20] = True
    click = corrective_click(truth, spilled)
    assert click is not None and click.labels.tolist() == [0] and click.points[0][1] >= 30
    assert corrective_click(truth, truth) is None


def test_every_option_is_described_and_bad_ones_are_refused() -> None:
    assert all(describe_options().values())
    with pytest.raises(ValueError, match="multiple of 64"):
        replace(TINY, size=100)


def test_the_command_trains_resumes_and_never_overwrites_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "run")
    tiny = ["--pixels", "9000", "--size", "64", "--length", "2", "--first-length", "2", "--workers", "0"]
    assert main(["train", folder, "--steps", "1", *tiny]) == 0
    assert main(["train", folder]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["train", folder, "--resume", "--steps", "2"]) == 0
    lines = (tmp_path / "run" / "curve.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step", "1", "2"]
    model = load_model(tmp_path / "run" / WEIGHTS, device="cpu")
    assert model.region and model.image_size == 256


def test_the_loss_of_a_volume_counts_what_vanishes_and_what_goes_on_too_long() -> None:
    truth = torch.zeros(1, 4, 16, 16)
    truth[:, :3, 4:12, 4:12] = 1  # the object ends after three slices
    vanished, spilled = truth.clone(), truth.clone()
    vanished[:, 2] = 0
    spilled[:, 3] = truth[:, 2]
    assert volume_loss(truth, truth) == 0
    assert volume_loss(vanished, truth) > 0.15 and volume_loss(spilled, truth) > 0.1
    nothing = torch.zeros_like(truth)
    assert volume_loss(nothing, nothing) == 0 and volume_loss(truth, nothing) > 0.9


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
    from napari_medsam2.network.micro.network import MicroNetwork
    from napari_medsam2.training.learning.micro_sequence import SequenceOptions, sequence_loss

    config = replace(TINY, flows=0.0, bridges=0.0, rollouts=1.0, first_length=3, length=3)
    made = make_batch(config, 1)
    assert 1 <= made.rollout <= 3 and made.images.shape[1] == 3 + made.rollout
    network = MicroNetwork().eval()
    options = SequenceOptions(teacher=1.0, prompts_stack=0.0, recent_dropout=0.0)
    loss, _ = sequence_loss(network, made, options)
    wrong = made.masks.clone()
    wrong[:, -1] = 1 - wrong[:, -1]
    assert sequence_loss(network, replace(made, masks=wrong), options)[0] > loss
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_short_sequences_come_as_often_as_asked_and_to_all_processes_at_once() -> None:
    config = replace(TINY, short=0.5, first_length=6, length=6, bridges=0.0, rollouts=0.0)
    lengths = [[make_batch(config, 2 * step + rank, step).images.shape[1] for rank in (0, 1)] for step in range(24)]
    assert all(first == second for first, second in lengths)
    assert {first for first, _ in lengths} == {2, 6}
    assert 5 < sum(first == 2 for first, _ in lengths) < 19


def test_what_surrounds_a_part_is_never_prompted_with_a_box() -> None:
    config = replace(TINY, flows=0.5, bridges=0.0, rollouts=0.0)
    rings = 0
    for number in range(60):
        made = make_batch(config, number)
        for prompt, hollow in zip(made.prompts, made.hollow, strict=True):
            rings += hollow
            assert not (hollow and len(prompt.boxes)), "a box around it would mean the two together"
    assert rings > 3


def test_weights_files_are_averaged_by_their_shares(tmp_path: Path) -> None:
    for name, value in (("a", 1.0), ("b", 4.0)):
        save_file({"w": torch.full((2,), value)}, tmp_path / f"{name}.safetensors", {"config": name})
    save_file({"w": torch.zeros(3)}, tmp_path / "other.safetensors")
    tool = Path(__file__).parents[2] / "tools" / "average_weights.py"

    def average(*names: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(tool), "out.safetensors", *names]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert average("a.safetensors=2", "b.safetensors").returncode == 0
    assert load_file(tmp_path / "out.safetensors")["w"].tolist() == [2.0, 2.0]
    refused = average("a.safetensors", "other.safetensors")
    assert refused.returncode == 1 and "other.safetensors holds another network" in refused.stderr
    assert average("a.safetensors=0", "b.safetensors").returncode == 2
