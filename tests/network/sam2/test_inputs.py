"""What goes into a network: images as each model expects them, prompts where the user put them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import shapes_of

from golden.cases import Cases, build
from golden.recipe import Golden, frame, weight
from napari_medsam2.geometry.window import Window, crop, to_window
from napari_medsam2.models.registry import MODELS
from napari_medsam2.network.interface import PromptTensors, no_prompts
from napari_medsam2.network.resample import resize
from napari_medsam2.network.sam2.config import BEHAVIOURS, layout
from napari_medsam2.network.sam2.network import Sam2
from napari_medsam2.network.sam2.vit import PlainImageEncoder
from napari_medsam2.network.unfilled import unfilled

GOLDEN = Golden()
_MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
_STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_images_reach_the_trunk_as_the_authors_prepare_them(behaviour: str) -> None:
    """Squashed to a square; with ImageNet's mean and deviation, or as they are in 0..1."""
    network = build("small_128", BEHAVIOURS[behaviour])
    seen: list[torch.Tensor] = []
    network.image_encoder.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    frame = np.random.default_rng(0).random((60, 90, 3), dtype=np.float32)
    network.encode_image(crop(frame, Window.whole((60, 90)), 128))
    square = torch.nn.functional.interpolate(
        torch.from_numpy(frame).permute(2, 0, 1)[None], size=(128, 128), mode="bilinear", antialias=True
    )
    expected = square if behaviour == "zhu-2d" else (square - _MEAN) / _STD
    torch.testing.assert_close(seen[0], expected, atol=1e-4, rtol=0)


def test_only_medsam2_of_zhu_wants_images_as_they_are() -> None:
    raw = {name for name, entry in MODELS.items() if not BEHAVIOURS[entry.behaviour].normalise}
    assert raw == {"medsam-2-zhu"}


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0, 3.7])
def test_a_click_and_a_box_mean_the_same_place_at_every_frame_size(scale: float) -> None:
    """Centres of pixels are whole numbers in frame and network alike; the golden prompts are in network pixels."""
    cases = Cases("small_128", long=False)
    features = cases.network.encode_image(cases.frame(0))
    shape = (round(128 * scale), round(128 * scale))
    exact = shape[0] / 128

    def drawn(*xy: tuple[float, float]) -> torch.Tensor:
        """Golden places as a user would give them on the frame, (y, x), and back to the network by our transforms."""
        data = (np.array(xy) * 128 / 512 + 0.5) * exact - 0.5
        return torch.from_numpy(to_window(data[:, ::-1], Window.whole(shape), 128)).float()

    click = PromptTensors(**{**no_prompts(), "points": drawn((260, 200)), "point_labels": torch.tensor([1])})
    box = PromptTensors(**{**no_prompts(), "boxes": drawn((120, 90), (330, 300)).flatten()[None]})
    for case, prompts in (("point", click), ("box", box)):
        found = cases.network.segment(features, prompts, [], mode="stack")
        assert GOLDEN.error(f"small_128/{case}/low", found.logits.numpy()) < 1e-3, case


@pytest.mark.parametrize("name", ["efficienttam tiny", "efficienttam small"])
def test_efficienttam_encodes_an_image_as_its_sources_say(name: str) -> None:
    """Against a second implementation, written step by step from the published sources and run once."""
    expected = json.loads((Path(__file__).parents[2] / "golden" / "efficienttam.json").read_text())[name]
    shapes = {key: shape for key, shape in shapes_of(name).items() if key.startswith("image_encoder.")}
    network = unfilled(lambda: Sam2(replace(layout(name), image_size=256)))
    made = {key: torch.from_numpy(weight(key, tuple(shape))) for key, shape in shapes.items()}
    network.load_state_dict(made, strict=False)  # the other parts hold anything, and are not run
    with torch.no_grad():
        (found,) = network.image_encoder(torch.from_numpy(frame(0, 256))[None])
    assert list(found.shape) == expected["shape"]
    sample = found[tuple(slice(None, None, stride) for stride in expected["stride"])]
    torch.testing.assert_close(sample.flatten(), torch.tensor(expected["sample"]), atol=1e-3, rtol=0)
    assert float(found.mean()) == pytest.approx(expected["mean"], abs=1e-3)
    assert float(found.std(correction=0)) == pytest.approx(expected["std"], abs=1e-3)


def test_the_plain_trunk_takes_any_size_and_stretches_its_position_code() -> None:
    config = layout("efficienttam tiny")
    assert config.vit is not None
    config = replace(config, vit=replace(config.vit, dim=32, heads=2, depth=3, global_blocks=(2,), window=4), dim=64)
    encoder = PlainImageEncoder(config).eval()
    torch.nn.init.normal_(encoder.trunk.pos_embed, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for side in (64, 96, 224):
            (features,) = encoder(torch.zeros(1, 3, side, side))
            assert features.shape == (1, 64, side // 16, side // 16)
        at_home = encoder.trunk.position(14, 14)
        assert torch.equal(at_home[0].flatten(0, 1), encoder.trunk.pos_embed[0, 1:])  # the class token is left out


def test_the_plain_trunk_looks_beyond_its_windows_in_global_blocks_only() -> None:
    config = layout("efficienttam tiny")
    assert config.vit is not None
    torch.manual_seed(0)
    for global_blocks, moved in (((), False), ((1,), True)):
        vit = replace(config.vit, dim=32, heads=2, depth=2, global_blocks=global_blocks, window=4)
        trunk = PlainImageEncoder(replace(config, vit=vit, dim=64)).eval().trunk
        image = torch.rand(1, 3, 128, 128)
        changed = image.clone()
        changed[..., :16, :16] = 0  # one patch in the first of four windows
        with torch.no_grad():
            difference = (trunk(image) - trunk(changed)).abs().amax(dim=1)[0]
        assert difference[:4, :4].amin() > 0
        assert bool(difference[4:, 4:].amax() > 0) is moved


def test_resizing_leaves_alone_what_has_the_size() -> None:
    x = torch.rand(1, 2, 7, 7, generator=torch.Generator().manual_seed(0))
    assert resize(x, (7, 7), "bicubic") is x
    expected = torch.nn.functional.interpolate(x, size=(4, 4), mode="bilinear", antialias=True)
    assert torch.equal(resize(x, (4, 4), antialias=True), expected)
