"""What the network learns from a mask that the user drew: the views it learns from, and what a session does with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes import PLAIN, blob_model, disc, moving_disc

from napari_medsam2.geometry.window import Window
from napari_medsam2.models.device import Model
from napari_medsam2.models.loading import load_model
from napari_medsam2.network.interface import Adaptation, AdaptationSet
from napari_medsam2.prompts import BoxPrompt, MaskPrompt, PointPrompt
from napari_medsam2.segment.augmentation import AUGMENTATION, make_adaptation_set
from napari_medsam2.session.session import Session, SessionOptions
from napari_medsam2.types import Mode

SHAPE = (96, 120)
#: What a session shows of the disc below: 1.4 x its box.
AROUND = Window(25.5, 33.5, 29.0, 29.0)


def frame() -> tuple[np.ndarray, np.ndarray]:
    """A bright disc on a darker, mottled ground; float32 ``(H, W, 3)``, and its mask."""
    mask = disc(SHAPE, 40, 48, 10)
    ground = np.random.default_rng(3).uniform(0.2, 0.4, SHAPE)
    return np.repeat(np.where(mask, 0.8, ground)[..., None], 3, 2).astype(np.float32), mask


def stack(n_frames: int = 4) -> np.ndarray:
    return np.stack([(frame()[0][..., 0] * 255).astype(np.uint8)] * n_frames)


def set_of(window: Window, size: int = 64, *, mode: Mode = "stack") -> AdaptationSet:
    made = make_adaptation_set(*frame(), window, size, mode=mode)
    assert made is not None
    return made


# ---- views -----------------------------------------------------------------------------------------------------------


def test_views_show_the_object_elsewhere_bent_and_mostly_smaller_with_its_mask_on_it() -> None:
    made = set_of(AROUND)
    count = AUGMENTATION["stack"].views + AUGMENTATION["stack"].elsewhere
    assert made.views.shape == (count, 3, 64, 64) and made.view_masks.shape == (count, 1, 64, 64)
    assert made.views.min() >= 0 and made.views.max() <= 1
    shown, wanted = made.views[: AUGMENTATION["stack"].views], made.view_masks[: AUGMENTATION["stack"].views]
    there = wanted.sum((1, 2, 3)) > 40
    bright = (shown.mean(1, keepdim=True) > 0.55) == (wanted > 0.5)
    assert bright[there].float().mean() > 0.97, "image and mask move together"
    areas = wanted.sum((1, 2, 3)) / made.mask.sum()
    assert (areas < 1).float().mean() > 0.6 and areas.min() < 0.3 and areas.max() > 0.85
    assert len({tuple(mask.flatten().tolist()) for mask in wanted}) == len(wanted)


def test_elsewhere_nothing_is_wanted_and_the_object_itself_is_not_judged() -> None:
    made = set_of(AROUND)
    elsewhere = slice(AUGMENTATION["stack"].views, None)
    assert not made.view_masks[elsewhere].any()
    bright = made.views[elsewhere].mean(1, keepdim=True) > 0.7
    assert bright.any(), "a part of the object is in some of these windows"
    assert made.view_weights[elsewhere][bright].max() < 0.5 and made.view_weights[elsewhere].mean() > 0.9
    overlap = ((1 - made.view_weights[elsewhere]) * made.mask).sum((1, 2, 3)) / made.mask.sum()
    assert overlap.max() <= AUGMENTATION["stack"].overlap + 1e-6


def test_a_frame_that_is_all_in_the_window_has_no_elsewhere() -> None:
    made = set_of(Window.whole(SHAPE))
    assert len(made.views) == AUGMENTATION["stack"].views and (made.view_weights == 1).all()


def test_on_another_image_of_a_flow_the_thing_lies_anywhere_and_anyhow() -> None:
    near, anywhere = set_of(Window.whole(SHAPE)), set_of(Window.whole(SHAPE), mode="flow")
    assert len(anywhere.views) == AUGMENTATION["flow"].views and anywhere.mode == "flow"

    def spread(made: AdaptationSet) -> float:
        return float(np.std([np.argwhere(mask[0].numpy()).mean(0) for mask in made.view_masks if mask.any()], 0).mean())

    assert spread(anywhere) > 2 * spread(near)


def test_the_same_frame_makes_the_same_views() -> None:
    first, second = set_of(AROUND), set_of(AROUND)
    assert torch.equal(first.views, second.views) and torch.equal(first.view_masks, second.view_masks)


@pytest.mark.parametrize("place", [(40, 48), (40, 49)])
def test_an_object_of_a_pixel_or_of_a_line_can_be_learned_too(place: tuple[int, int]) -> None:
    image, mask = frame()
    mask[:] = False
    mask[40, 48 : place[1] + 1] = True
    made = make_adaptation_set(image, mask, replace(AROUND, size_y=20.0, size_x=20.0), 128, mode="stack")
    assert made is not None and torch.isfinite(made.views).all()


def test_what_is_too_thin_to_be_seen_in_the_window_teaches_nothing() -> None:
    thin = np.zeros((900, 900), bool)
    thin[:, 400] = True
    image, window = np.zeros((900, 900, 3), np.float32), Window.whole((900, 900))
    assert make_adaptation_set(image, thin, window, 64, mode="stack") is None


# ---- the bundled network ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def micro() -> Model:
    return load_model("micro", device="cpu")


def test_what_is_learned_makes_the_views_more_likely_and_leaves_the_network_as_it_was(micro: Model) -> None:
    from napari_medsam2.network.micro import adaptation
    from napari_medsam2.network.micro.network import MicroNetwork

    network = micro.network
    assert isinstance(network, MicroNetwork)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    made = set_of(AROUND, 128)
    learned = network.adapt(made)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert {name.split(".")[0] for name in learned.parameters} == {"out4", "up2", "skip2", "out2"}

    features, coarse = network.coarse_answers(made)
    decoder = network.decoder
    with torch.no_grad():
        plain = adaptation.adaptation_loss(decoder.fine(features, coarse)[0], made.view_masks, made.view_weights)
        layers = adaptation.adapted_layers(decoder, learned)
        logits = decoder.fine(features, coarse, layers)[0]
        adapted = adaptation.adaptation_loss(logits, made.view_masks, made.view_weights)
    assert adapted < 0.97 * plain


def test_sessions_on_threads_share_a_model_and_find_what_they_find_one_after_the_other(micro: Model) -> None:
    frames, masks = moving_disc(3, (64, 64))
    noisy = np.clip(frames + np.random.default_rng(0).normal(0, 20, frames.shape), 0, 255).astype(np.uint8)

    def found(number: int) -> list[bytes]:
        session = Session(micro, np.roll(noisy, 4 * number, axis=2), mode="flow" if number % 2 else "stack")
        mask = np.roll(masks[0], 4 * number, axis=1)
        learns = number in (1, 2, 4)
        session.add(MaskPrompt(0, mask) if learns else PointPrompt(0, *np.argwhere(mask).mean(axis=0)))
        return [result.pixels.clearness.tobytes() for result in session.propagate()]

    before = {name: value.clone() for name, value in micro.network.state_dict().items()}
    alone = [found(number) for number in range(5)]
    with ThreadPoolExecutor(5) as threads:
        together = list(threads.map(found, range(5)))
    assert together == alone
    assert all(torch.equal(value, before[name]) for name, value in micro.network.state_dict().items())


def test_of_several_masks_the_mean_is_taken() -> None:
    one, other = Adaptation({"w": torch.tensor([1.0])}), Adaptation({"w": torch.tensor([3.0])})
    assert Adaptation.mean([]) is None and Adaptation.mean([one]) is one
    both = Adaptation.mean([one, other])
    assert both is not None and both.parameters["w"].item() == 2


@pytest.fixture
def sets(micro: Model, monkeypatch: pytest.MonkeyPatch) -> list[AdaptationSet]:
    """What the bundled network was given to adapt on; it takes two steps on each."""
    given: list[AdaptationSet] = []
    monkeypatch.setattr("napari_medsam2.network.micro.adaptation.STEPS", 2)
    adapt = type(micro.network).adapt

    def learn(self: object, made: AdaptationSet) -> Adaptation | None:
        given.append(made)
        return adapt(self, made)  # type: ignore[arg-type]

    monkeypatch.setattr(type(micro.network), "adapt", learn)
    return given


def session_of(micro: Model, **options: object) -> Session:
    return Session(micro, stack(), mode="stack", contrast=PLAIN, options=SessionOptions(**options))  # type: ignore[arg-type]


def test_a_drawn_mask_is_learned_once_when_the_first_slice_beside_it_needs_it(
    micro: Model, sets: list[AdaptationSet]
) -> None:
    session = session_of(micro)
    session.add(MaskPrompt(1, frame()[1]))
    session.segment(1)
    assert not sets, "painting is not slowed down"
    results = list(session.propagate())
    assert len(sets) == 1 and len(results) == 4
    assert all(result.mask[40, 48] for result in results)
    list(session.propagate())
    session.undo()
    session.redo()
    session.segment(3)
    assert len(sets) == 1, "nothing new was drawn"
    session.replace_prompts(1, 1, [MaskPrompt(1, disc(SHAPE, 40, 48, 8))])
    list(session.propagate())
    assert len(sets) == 2
    session.add(MaskPrompt(3, frame()[1]))
    list(session.propagate())
    assert len(sets) == 3, "a second mask teaches too"


def test_of_many_masks_those_nearby_teach(micro: Model, sets: list[AdaptationSet]) -> None:
    session = Session(micro, stack(9), mode="stack", contrast=PLAIN)
    for t in (0, 1, 2, 6):
        session.add(MaskPrompt(t, frame()[1]))
    assert session.segment(4).mask.any()
    assert len(sets) == 2


def test_nothing_is_learned_from_boxes_and_clicks_or_when_it_is_not_wanted(
    micro: Model, sets: list[AdaptationSet]
) -> None:
    session = session_of(micro)
    session.add(BoxPrompt(1, 29.5, 37.5, 50.5, 58.5))
    list(session.propagate())
    session.add(PointPrompt(2, 40, 48))
    list(session.propagate())
    plain = session_of(micro, adapt=False)
    plain.add(MaskPrompt(1, frame()[1]))
    list(plain.propagate())
    assert not sets


@pytest.mark.parametrize("mode", ["stack", "flow"])
def test_what_was_learned_is_used(micro: Model, sets: list[AdaptationSet], mode: Mode) -> None:
    found = []
    for adapt in (False, True):
        session = Session(micro, stack(2), mode=mode, contrast=PLAIN, options=SessionOptions(adapt=adapt))
        session.add(MaskPrompt(0, frame()[1]))
        found.append(list(session.propagate())[-1])
    assert [one.mode for one in sets] == [mode]
    assert found[0].confidence != found[1].confidence or (found[0].mask != found[1].mask).any()


def test_a_network_that_cannot_learn_goes_on_as_it_did() -> None:
    session = Session(blob_model(region=True), stack(), mode="stack", contrast=PLAIN)
    session.add(MaskPrompt(0, frame()[1]))
    assert len(list(session.propagate())) == 4
    assert all(recall.adaptation is None for call in session.model.network.calls.segmented for recall in call.recalls)
