"""Fine-tuning SAM 2: gradients through its memory, what stays frozen, files that load again, less memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_helpers import TINY, discs

from golden.cases import SMALL, build
from napari_medsam2.models.loading import load_model
from napari_medsam2.network.sam2.config import ZHU_2D, Behaviour
from napari_medsam2.network.sam2.network import Sam2
from napari_medsam2.training.config import TrainConfig
from napari_medsam2.training.data.batches import Batch
from napari_medsam2.training.data.prompts import simulate_prompt
from napari_medsam2.training.learning.learners import learner_for
from napari_medsam2.training.learning.sam2_sequence import sam2_sequence_loss
from napari_medsam2.training.run.files import export

ALL = replace(TINY, trainable="all")


def batch_of(mode: str, kind: int = 0, size: int = 128) -> Batch:
    images, masks = discs(3, size, mode=mode)
    prompt = simulate_prompt(masks[0] > 0, np.random.default_rng(0), tuple(float(k == kind) for k in range(3)))
    frames = torch.from_numpy(images / np.float32(255)).float()[None, :, None].expand(1, 3, 3, size, size)
    return Batch(frames, torch.from_numpy(masks)[None, :, None].float(), [prompt], mode == "stack")


@pytest.mark.parametrize("mode", ["stack", "flow"])
def test_the_memory_learns(mode: str) -> None:
    """Frames that have no prompt teach what was remembered, and how it is looked up."""
    network = build("small_128", Behaviour()).train()
    torch.manual_seed(0)
    loss, figures = sam2_sequence_loss(network, batch_of(mode), teacher=1.0)
    loss.backward()
    for part in (
        network.image_encoder.trunk.patch_embed.proj.weight,
        network.memory_encoder.out_proj.weight,
        network.memory_attention.layers[0].cross_attn_image.k_proj.weight,
        network.sam_mask_decoder.iou_prediction_head.layers[-1].weight,
        network.sam_mask_decoder.pred_obj_score_head.layers[-1].weight,
    ):
        assert part.grad is not None and float(part.grad.abs().max()) > 0
    assert set(figures) == {"prompted", "others", "objectness"}


def test_training_lowers_the_loss_of_one_sequence() -> None:
    learner = learner_for(build("small_128", Behaviour()), ALL)
    learner.network.train()
    optimiser = torch.optim.AdamW(learner.network.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        torch.manual_seed(0)
        loss, _ = learner.loss(batch_of("stack"), 9999)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("behaviour", [Behaviour(), ZHU_2D])
@pytest.mark.parametrize("kind", [1, 2])
def test_clicks_drawn_masks_and_the_descendants_behaviour_train_too(behaviour: Behaviour, kind: int) -> None:
    network = build("small_128", behaviour).train()
    loss, _ = sam2_sequence_loss(network, batch_of("flow", kind), teacher=0.0)
    loss.backward()
    assert loss.isfinite()
    assert network.memory_encoder.out_proj.weight.grad is not None


def test_the_encoder_stays_as_it_is_where_only_the_decoder_may_change() -> None:
    learner = learner_for(build("small_128", Behaviour()), replace(TINY, trainable="auto"))
    learner.network.train()
    learner.loss(batch_of("stack"), 0)[0].backward()
    assert not any(p.requires_grad for p in learner.network.image_encoder.parameters())
    assert learner.network.memory_encoder.out_proj.weight.grad is not None


@pytest.mark.parametrize("behaviour", [Behaviour(), ZHU_2D])
def test_trained_weights_load_again_with_their_input_size_and_behaviour(tmp_path: Path, behaviour: Behaviour) -> None:
    network = build("small_128", behaviour)
    export(network, tmp_path / "tuned.safetensors", {"step": 3})
    model = load_model(tmp_path / "tuned.safetensors", device="cpu", precision="float32")
    assert isinstance(model.network, Sam2)
    assert model.network.config == replace(SMALL, behaviour=behaviour)
    image = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        for ours, theirs in zip(network.encode(image), model.network.encode(image), strict=True):
            torch.testing.assert_close(ours, theirs)
    assert load_model(tmp_path / "tuned.safetensors", device="cpu", image_size=64).image_size == 64


def _bytes_kept_and_gradient(config: TrainConfig) -> tuple[int, torch.Tensor]:
    learner = learner_for(build("small_128", Behaviour()), config)
    learner.network.train()
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(0)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss, _ = learner.loss(batch_of("stack"), 0)
    loss.backward()
    gradient = learner.network.image_encoder.trunk.patch_embed.proj.weight.grad
    assert gradient is not None
    return sum(kept.values()), gradient


def test_checkpointing_keeps_less_and_learns_the_same() -> None:
    plain, expected = _bytes_kept_and_gradient(ALL)
    lean, found = _bytes_kept_and_gradient(replace(ALL, checkpointing=True))
    assert lean < 0.7 * plain
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-3)


def test_mixed_precision_gives_nearly_the_same_loss() -> None:
    losses = []
    for precision in ("float32", "bfloat16"):
        learner = learner_for(build("small_128", Behaviour()), replace(ALL, precision=precision))
        learner.network.train()
        torch.manual_seed(0)
        loss, _ = learner.loss(batch_of("stack"), 0)
        loss.backward()
        losses.append(loss.item())
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
