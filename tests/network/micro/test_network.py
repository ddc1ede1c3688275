"""The bundled network: prompts as maps, memory that matches by appearance, and the session's interface."""

from __future__ import annotations

import pytest
import torch

from napari_medsam2.models.loading import load_model
from napari_medsam2.network.interface import ImageFeatures, Memory, Prediction, PromptTensors, Recall, no_prompts
from napari_medsam2.network.micro.config import MicroConfig
from napari_medsam2.network.micro.encoder import local_contrast
from napari_medsam2.network.micro.memory import MicroMemory
from napari_medsam2.network.micro.network import MicroNetwork
from napari_medsam2.network.micro.prompt_maps import prompt_maps
from napari_medsam2.types import Mode

SIZE = 64


@pytest.fixture(scope="module")
def network() -> MicroNetwork:
    torch.manual_seed(0)
    return MicroNetwork(MicroConfig(image_size=SIZE)).eval().requires_grad_(False)


def _frame(colour: float, row: int, column: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A dark noisy frame with a square of one brightness, and the square's mask."""
    generator = torch.Generator().manual_seed(row * 100 + column)
    image = 0.2 + 0.02 * torch.rand((1, 3, SIZE, SIZE), generator=generator)
    mask = torch.zeros(1, 1, SIZE, SIZE)
    image[..., row : row + 16, column : column + 16] = colour
    mask[..., row : row + 16, column : column + 16] = 1
    return image, mask


def _remember(network: MicroNetwork, image: torch.Tensor, mask: torch.Tensor) -> Memory:
    features = network.encode_image(image)
    prediction = network.segment(features, PromptTensors(**no_prompts(), mask=mask), [], mode="flow")
    return network.encode_memory(features, prediction, prediction.logits, prompted=True)


def test_ridge_finds_the_remembered_look_elsewhere_even_untrained(network: MicroNetwork) -> None:
    memory = MicroMemory(**_remember(network, *_frame(0.9, 8, 8)).tokens)
    image, mask = _frame(0.9, 36, 40)
    features, _ = network.encode(image)
    score = network.memory.ridge(features, memory, torch.ones(1, 1))
    small = torch.nn.functional.avg_pool2d(mask, 4)
    assert score[small == 1].mean() > score[small == 0].mean() + 0.5


def test_equal_weights_read_memory_as_if_unweighted_and_unequal_ones_do_not(network: MicroNetwork) -> None:
    memories = MicroMemory.cat([MicroMemory(**_remember(network, *_frame(c, 8, 8)).tokens) for c in (0.9, 0.5)])
    features, _ = network.encode(_frame(0.9, 30, 30)[0])
    maps = prompt_maps(None, None, mode="flow", side=SIZE // 2, device="cpu")

    def logits(*weights: float) -> torch.Tensor:
        return network.decode(features, maps, memories, torch.tensor([weights]), mode="flow")[0]

    assert torch.allclose(logits(1, 1), logits(2, 2), atol=1e-4)
    assert not torch.allclose(logits(1, 1), logits(1.9, 0.1), atol=1e-3)


def test_a_vanishing_weight_forgets_the_entry(network: MicroNetwork) -> None:
    first, second = (MicroMemory(**_remember(network, *_frame(c, 8, 8)).tokens) for c in (0.9, 0.5))
    features, _ = network.encode(_frame(0.9, 30, 30)[0])
    maps = prompt_maps(None, None, mode="flow", side=SIZE // 2, device="cpu")
    alone = network.decode(features, maps, first, torch.ones(1, 1), mode="flow")[0]
    both = network.decode(features, maps, MicroMemory.cat([first, second]), torch.tensor([[2.0, 1e-7]]), mode="flow")[0]
    assert torch.allclose(alone, both, atol=1e-3)


def test_order_of_memories_does_not_matter_in_a_flow(network: MicroNetwork) -> None:
    features = network.encode_image(_frame(0.9, 30, 30)[0])
    recalls = [Recall(_remember(network, *_frame(c, 8, 8)), weight=w) for c, w in ((0.9, 1.2), (0.5, 0.8))]
    forward = network.segment(features, None, recalls, mode="flow")
    backward = network.segment(features, None, recalls[::-1], mode="flow")
    assert torch.allclose(forward.logits, backward.logits, atol=1e-4)


def test_attention_prefers_what_is_near_in_a_stack_and_what_weighs_more(network: MicroNetwork) -> None:
    """The extra dimensions of queries and keys say the same as a mask added to the logits would."""
    reader = network.memory
    memories = [MicroMemory(**_remember(network, *_frame(c, 8, 8)).tokens) for c in (0.9, 0.5)]
    memory, weights = MicroMemory.cat(memories), torch.tensor([[1.7, 0.3]])
    features, _ = network.encode(_frame(0.9, 30, 30)[0])
    got = reader.attend(features, memory, weights, mode="stack")

    side = features.s8.shape[-1]
    cells = (torch.arange(side) + 0.5) / side
    yx = torch.stack(torch.meshgrid(cells, cells, indexing="ij"), -1).flatten(0, 1)
    far = (yx[:, None] - yx[None]).square().sum(-1)
    price = 8.0 * torch.nn.functional.softplus(reader.closeness)
    query = reader.remember(features, torch.zeros(1, 1, SIZE, SIZE)).keys[:, 0]  # as what is remembered is keyed
    for head in range(reader.heads):
        logits = [
            reader.sharpness[head].exp() * query[0, head] @ memory.keys[0, n, head].T - price[head] * far + weight.log()
            for n, weight in enumerate(weights[0])
        ]
        share = torch.cat(logits, 1).softmax(1)
        expected = share @ memory.values[0, :, head].flatten(0, 1)
        dim = expected.shape[1]
        found = got[0, head * dim : (head + 1) * dim].flatten(1).T
        assert torch.allclose(found, expected, atol=1e-4)


def test_a_prompted_slice_is_shown_with_a_margin(network: MicroNetwork) -> None:
    features = network.encode_image(_frame(0.9, 30, 30)[0])
    box = torch.tensor([[28.0, 28.0, 48.0, 48.0]])

    def answer(*labels: int, boxed: bool = True, mode: Mode = "stack") -> Prediction:
        given: dict[str, torch.Tensor] = {"boxes": box} if boxed else {}
        points = torch.full((len(labels), 2), 38.0)
        prompts = PromptTensors(**no_prompts() | given | {"points": points, "point_labels": torch.tensor(labels)})
        return network.segment(features, prompts, [], mode=mode)

    def threshold(*labels: int, boxed: bool = True) -> float:
        return answer(*labels, boxed=boxed).threshold

    assert threshold() == threshold(1) == threshold(1, 0) == network.box_threshold < network.click_threshold < 0
    assert threshold(1, boxed=False) == threshold(1, 0, boxed=False) == network.click_threshold
    for boxed in (True, False):
        shown = answer(boxed=boxed, mode="flow")
        assert (shown.threshold, shown.threshold_in_boxes) == (0, network.box_threshold)
    assert answer().threshold_in_boxes is None
    corrected = {"points": torch.full((1, 2), 38.0), "correcting": torch.ones(1, 1, 64, 64)}
    for label, expected in ((0, 0.0), (1, network.click_threshold)):
        prompts = PromptTensors(**no_prompts() | corrected | {"point_labels": torch.tensor([label])})
        assert network.segment(features, prompts, [], mode="stack").threshold == expected
    assert network.segment(features, None, [], mode="stack").threshold == 0


def test_the_slice_before_is_seen_with_its_mask(network: MicroNetwork) -> None:
    features = network.encode_image(_frame(0.9, 30, 30)[0])
    image, mask = _frame(0.9, 28, 28)

    def logits(seen: torch.Tensor | None) -> torch.Tensor:
        return network.segment(features, None, [], mode="stack", neighbour_mask=mask, neighbour_image=seen).logits

    assert not torch.allclose(logits(image), logits(None), atol=1e-4)
    assert not torch.allclose(logits(image), logits(1 - image), atol=1e-4)


def test_clicks_are_seen_with_the_mask_that_they_correct(network: MicroNetwork) -> None:
    features = network.encode_image(_frame(0.9, 30, 30)[0])
    click = {"points": torch.tensor([[40.0, 40.0]]), "point_labels": torch.tensor([0])}

    def logits(correcting: torch.Tensor | None) -> torch.Tensor:
        prompts = PromptTensors(**no_prompts() | click, correcting=correcting)
        return network.segment(features, prompts, [], mode="stack").logits

    assert not torch.allclose(logits(_frame(0.9, 28, 28)[1]), logits(None), atol=1e-4)
    assert not torch.allclose(logits(_frame(0.9, 28, 28)[1]), logits(_frame(0.9, 8, 28)[1]), atol=1e-4)


def test_local_contrast_shows_a_faint_edge_beside_a_bright_one() -> None:
    image = torch.zeros(1, 3, 64, 64)
    image[..., 32:] = 1.0
    image[..., 8:16, 8:16] = 0.02
    local = local_contrast(image)[0, 0]
    assert local[10, 10] > local[10, 3] + 0.3  # from 0.02 of the range
    assert torch.isfinite(local_contrast(torch.full((1, 3, 64, 64), 0.5))).all()


def _discs(places: list[tuple[int, int]], radius: int = 9) -> torch.Tensor:
    image = 0.1 + 0.02 * torch.rand((1, 3, 128, 128), generator=torch.Generator().manual_seed(0))
    y, x = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    for row, column in places:
        image[..., (y - row) ** 2 + (x - column) ** 2 < radius**2] = 0.8
    return image


def test_in_a_flow_one_boxed_thing_finds_the_others_of_its_kind_but_not_what_was_clicked_away() -> None:
    network = load_model("micro", device="cpu").network
    places = [(24, 24), (24, 90), (64, 56), (100, 28), (100, 96)]
    features = network.encode_image(_discs(places))
    box = torch.tensor([[14.5, 14.5, 33.5, 33.5]])
    none = {"points": torch.zeros(0, 2), "point_labels": torch.zeros(0, dtype=torch.long)}

    def found(**clicks: torch.Tensor) -> list[bool]:
        prompts = PromptTensors(**(none | clicks), boxes=box)
        mask = network.segment(features, prompts, [], mode="flow").logits[0, 0] > 0
        return [bool(mask[row // 2, column // 2]) for row, column in places]

    assert found() == [True] * 5
    away = found(points=torch.tensor([[56.0, 64.0]]), point_labels=torch.tensor([0]))
    assert away == [True, True, False, True, True]


def test_a_drawn_mask_is_the_answer(network: MicroNetwork) -> None:
    image, mask = _frame(0.9, 8, 8)
    features = network.encode_image(image)
    prediction = network.segment(features, PromptTensors(**no_prompts(), mask=mask), [], mode="stack")
    assert torch.equal(prediction.logits > 0, mask > 0.5)
    assert prediction.confidence == 1.0


def test_box_map_covers_partial_pixels() -> None:
    box = PromptTensors(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), torch.tensor([[-0.5, -0.5, 2.5, 1.5]]))
    drawn = prompt_maps(box, None, mode="stack", side=4, device="cpu")[0, 2]
    expected = torch.zeros(4, 4)
    expected[0, :2] = torch.tensor([1.0, 0.5])  # three input pixels wide: one map pixel and a half; two high: one
    assert torch.allclose(drawn, expected)


def test_clicks_are_drawn_where_they_were_made() -> None:
    clicks = PromptTensors(torch.tensor([[20.5, 8.5], [50.5, 40.5]]), torch.tensor([1, 0]), torch.zeros(0, 4))
    maps = prompt_maps(clicks, None, mode="stack", side=32, device="cpu")[0]
    assert divmod(int(maps[0].argmax()), 32) == (4, 10)
    assert divmod(int(maps[1].argmax()), 32) == (20, 25)


def test_takes_other_sizes_than_its_own(network: MicroNetwork) -> None:
    features = network.encode_image(torch.rand(1, 3, 96, 96))
    assert isinstance(features, ImageFeatures)
    assert network.segment(features, None, [], mode="stack").logits.shape == (1, 1, 48, 48)
    assert features.descriptor.norm() == pytest.approx(1, abs=1e-5)


def test_the_bundled_models_descriptor_tells_images_apart() -> None:
    network = load_model("micro", device="cpu").network
    generator = torch.Generator().manual_seed(0)
    noise = 0.05 * torch.rand((1, 3, 128, 128), generator=generator)
    stained = torch.tensor([0.6, 0.4, 0.7])[None, :, None, None] + noise
    dark = 0.05 + noise.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    first, again, other = (network.encode_image(x).descriptor for x in (stained, stained.flip(-1), dark))
    assert float(first @ again) > 0.99 > 0.95 > float(first @ other)
