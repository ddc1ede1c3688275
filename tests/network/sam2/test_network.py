"""What SAM 2 does beyond parity: weighted memory, several boxes, batches, gradients, behaviour of its descendants."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from golden.cases import SMALL, build
from napari_medsam2.errors import ConfigError
from napari_medsam2.network.interface import Memory, Prediction, PromptTensors, Recall
from napari_medsam2.network.sam2.attention import attend
from napari_medsam2.network.sam2.config import ZHU_2D, Behaviour, Sam2Config
from napari_medsam2.network.sam2.mask_decoder import Candidates, stable_or_best
from napari_medsam2.network.sam2.memory import MemoryTokens
from napari_medsam2.network.sam2.network import Sam2
from napari_medsam2.types import Mode


@pytest.fixture(scope="module")
def network() -> Sam2:
    return build("small_128", Behaviour())


@pytest.fixture(scope="module")
def memories() -> list[Memory]:
    draw = torch.Generator().manual_seed(5)
    return [
        Memory(
            {
                "spatial": torch.randn(1, 16, 8, 8, generator=draw),
                "pointer": torch.randn(1, 64, generator=draw),
            }
        )
        for _ in range(3)
    ]


def _image(seed: int = 0, batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, 128, 128, generator=torch.Generator().manual_seed(seed))


def _prompts(
    boxes: list[tuple[float, ...]] | None = None,
    points: list[tuple[float, float, int]] | None = None,
    mask: Tensor | None = None,
) -> PromptTensors:
    told = points or []
    return PromptTensors(
        points=torch.tensor([p[:2] for p in told], dtype=torch.float32).reshape(-1, 2),
        point_labels=torch.tensor([p[2] for p in told], dtype=torch.int64),
        boxes=torch.tensor(boxes or [], dtype=torch.float32).reshape(-1, 4),
        mask=mask,
    )


# ---- corrections ----------------------------------------------------------------------------------------------------


def test_what_clicks_correct_is_a_mask_prompt_beside_them(network: Sam2) -> None:
    features = network.encode_image(_image())
    click = _prompts(points=[(40.0, 40.0, 0)])
    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 20:60, 30:70] = 1.0
    corrected = network.segment(features, replace(click, correcting=mask), [], mode="stack")
    *fine, coarse = features.levels
    expected = network.decode(
        network.attend(coarse, None), tuple(fine), click.points[None], click.point_labels[None], 20 * mask - 10
    )
    assert torch.equal(corrected.logits, expected.logits)
    assert not torch.allclose(corrected.logits, network.segment(features, click, [], mode="stack").logits, atol=1e-4)


# ---- weighted memory ------------------------------------------------------------------------------------------------


def _answer(network: Sam2, recalls: list[Recall], *, mode: Mode = "flow") -> Tensor:
    return network.segment(network.encode_image(_image()), None, recalls, mode=mode).logits


@pytest.mark.parametrize("share", [1.0, 0.2, 7.0])
def test_equal_weights_change_nothing(network: Sam2, memories: list[Memory], share: float) -> None:
    plain = _answer(network, [Recall(memory) for memory in memories])
    assert torch.equal(_answer(network, [Recall(memory, weight=share) for memory in memories]), plain)


def test_a_constant_bias_is_no_bias(network: Sam2, memories: list[Memory]) -> None:
    """The biased path itself, not only its shortcut."""
    tokens = network.memory_tokens([Recall(memory) for memory in memories], mode="flow", n_frames=1)
    assert tokens is not None
    coarse = network.encode(_image())[-1]
    count = 3 * (64 + 4)
    biased = network.attend(coarse, replace(tokens, bias=torch.full((count,), 1.5)))
    torch.testing.assert_close(biased, network.attend(coarse, tokens), atol=1e-5, rtol=0)


def test_a_memory_of_weight_two_counts_like_two_copies(network: Sam2, memories: list[Memory]) -> None:
    first, second, _ = memories
    weighted = _answer(network, [Recall(first, weight=2.0), Recall(second)])
    copied = _answer(network, [Recall(first), Recall(first), Recall(second)])
    torch.testing.assert_close(weighted, copied, atol=1e-4, rtol=0)


def test_a_memory_of_hardly_any_weight_is_forgotten(network: Sam2, memories: list[Memory]) -> None:
    first, second, _ = memories
    faded = _answer(network, [Recall(first, weight=1e-12), Recall(second)])
    torch.testing.assert_close(faded, _answer(network, [Recall(second)]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("width", [8, 3])
def test_attend_is_a_softmax_over_biased_keys(width: int) -> None:
    draw = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 2, 5, 8, generator=draw), torch.randn(2, 2, 7, 8, generator=draw)
    v, bias = torch.randn(2, 2, 7, width, generator=draw), torch.randn(2, 7, generator=draw)
    expected = (q @ k.transpose(-1, -2) / 8**0.5 + bias[:, None, None]).softmax(-1) @ v
    torch.testing.assert_close(attend(q, k, v, bias), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("size", [0.1, 1.0, 1000.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attend_is_exact_in_blocks_and_for_scores_whose_exponentials_no_number_holds(
    dtype: torch.dtype, size: float
) -> None:
    """More keys than a block has, with scores up to 5000 and down to -5000."""
    draw = torch.Generator().manual_seed(0)
    q = (size * torch.randn(1, 2, 900, 8, generator=draw)).to(dtype)
    k, v = (torch.randn(1, 2, 2500, n, generator=draw).to(dtype) for n in (8, 3))
    with torch.inference_mode():
        found = attend(q, k, v).float()
    scores = q.double() @ k.double().transpose(-1, -2) / 8**0.5
    if dtype == torch.bfloat16:  # which of the largest scores wins is up to its digits
        scores = (q / 8**0.5 @ k.transpose(-1, -2)).double()
    expected = (scores.softmax(-1) @ v.double()).float()
    close = {"atol": 1e-3, "rtol": 1e-3} if dtype == torch.float32 else {"atol": 0.03, "rtol": 0.03}
    torch.testing.assert_close(found, expected, **close)


# ---- where memories lie ---------------------------------------------------------------------------------------------


def test_in_a_flow_neither_order_nor_distance_matters(network: Sam2, memories: list[Memory]) -> None:
    first, second, _ = memories
    plain = _answer(network, [Recall(first), Recall(second)])
    placed = _answer(network, [Recall(second, offset=3, slot=2), Recall(first, offset=-9, pinned=True)])
    torch.testing.assert_close(plain, placed, atol=1e-4, rtol=0)


def test_in_a_stack_distance_matters(network: Sam2, memories: list[Memory]) -> None:
    near = _answer(network, [Recall(memories[0], offset=1, slot=1)], mode="stack")
    far = _answer(network, [Recall(memories[0], offset=5, slot=5)], mode="stack")
    assert float((near - far).abs().max()) > 0.01


def test_a_flow_may_be_given_the_code_of_prompted_frames(memories: list[Memory]) -> None:
    positioned = build("small_128", replace(Behaviour(), flow_memory_position=True))
    recalls = [Recall(memories[0], offset=0, pinned=True)]
    torch.testing.assert_close(
        _answer(positioned, recalls), _answer(positioned, recalls, mode="stack"), atol=1e-5, rtol=0
    )


def test_pointers_alone_can_be_recalled(network: Sam2, memories: list[Memory]) -> None:
    recalls = [Recall(memories[0], offset=9, spatial=False)]
    tokens = network.memory_tokens(recalls, mode="stack", n_frames=20)
    assert tokens is not None
    assert tokens.spatial.shape[1] == 0
    assert _answer(network, recalls, mode="stack").isfinite().all()


# ---- prompts --------------------------------------------------------------------------------------------------------

LEFT, RIGHT = (10.0, 20.0, 50.0, 60.0), (70.0, 50.0, 110.0, 100.0)


def test_several_boxes_mean_their_union(network: Sam2) -> None:
    features = network.encode_image(_image())
    alone = [network.segment(features, _prompts([box]), [], mode="stack").logits for box in (LEFT, RIGHT)]
    both = network.segment(features, _prompts([LEFT, RIGHT]), [], mode="stack")
    torch.testing.assert_close(both.logits, torch.maximum(*alone))


def test_a_click_goes_with_the_box_that_it_is_in(network: Sam2) -> None:
    features = network.encode_image(_image())
    corrected = network.segment(features, _prompts([RIGHT], [(90.0, 70.0, 0)]), [], mode="stack").logits
    other = network.segment(features, _prompts([LEFT]), [], mode="stack").logits
    both = network.segment(features, _prompts([LEFT, RIGHT], [(90.0, 70.0, 0)]), [], mode="stack").logits
    torch.testing.assert_close(both, torch.maximum(corrected, other))


def test_without_a_prompt_or_a_memory_there_is_still_an_answer(network: Sam2) -> None:
    found = network.segment(network.encode_image(_image()), None, [], mode="stack")
    assert found.logits.shape == (1, 1, 32, 32)
    assert 0 <= found.iou <= 1
    assert 0 <= found.objectness <= 1


def test_an_empty_drawn_mask_means_that_the_object_is_not_there(network: Sam2) -> None:
    features = network.encode_image(_image())
    found = network.segment(features, _prompts(mask=torch.zeros(1, 1, 128, 128)), [], mode="stack")
    assert found.objectness < 0.01
    assert float(found.logits.max()) < 0


def test_a_single_mask_that_is_stable_is_kept() -> None:
    """Mask 0 of the first is stable; the second's hangs on its threshold, so the best of the others is shown."""
    logits = torch.full((2, 4, 8, 8), -5.0)
    logits[0, 0, :4] = 5.0
    logits[1, 0, :4] = 0.01
    iou = torch.tensor([[0.1, 0.2, 0.9, 0.3]]).expand(2, 4)
    candidates = Candidates(logits, iou, torch.zeros(2, 4, 64), torch.ones(2, 1))
    assert stable_or_best(candidates).tolist() == [0, 2]


# ---- batches and gradients ------------------------------------------------------------------------------------------


def test_a_batch_gives_what_single_images_give(network: Sam2) -> None:
    images = torch.cat([_image(1), _image(2)])
    points, labels = torch.tensor([[[30.0, 40.0]], [[90.0, 60.0]]]), torch.tensor([[1], [1]])

    def masks(which: slice) -> Tensor:
        first, second, coarse = network.encode(images[which])
        found = network.decode(network.attend(coarse, None), (first, second), points[which], labels[which])
        return network.remember(coarse, found.logits.sigmoid().repeat(1, 1, 4, 4), found.score > 0)

    with torch.no_grad():
        together = masks(slice(0, 2))
        for i in range(2):
            torch.testing.assert_close(together[i : i + 1], masks(slice(i, i + 1)), atol=1e-4, rtol=1e-4)


def test_one_image_serves_many_prompts(network: Sam2) -> None:
    points, labels = torch.tensor([[[30.0, 40.0]], [[90.0, 60.0]]]), torch.tensor([[1], [0]])
    with torch.no_grad():
        first, second, coarse = network.encode(_image())
        plain = network.attend(coarse, None)
        both = network.decode(plain, (first, second), points, labels).logits
        one = network.decode(plain, (first, second), points[1:], labels[1:]).logits
    torch.testing.assert_close(both[1:], one, atol=1e-5, rtol=1e-4)


def test_gradients_reach_every_parameter_that_takes_part() -> None:
    network = build("small_128", Behaviour()).train()
    first, second, coarse = network.encode(_image(batch=2))
    told = torch.tensor([[[30.0, 40.0], [60.0, 70.0]]] * 2), torch.tensor([[1, 0]] * 2)
    found = network.decode(network.attend(coarse, None), (first, second), *told)
    memory = network.remember(coarse, found.logits.sigmoid().repeat(1, 1, 4, 4), found.score > 0)
    cells = memory.flatten(2).transpose(1, 2)[:, None]
    pointers = found.pointer.unflatten(1, (4, 16))
    code = network.obj_ptr_tpos_proj(torch.zeros(1, 64))[None]
    bias = torch.zeros(64 + 4)
    conditioned = network.attend(coarse, MemoryTokens(cells, torch.zeros(1), pointers, code, bias))
    later = network.decode(conditioned, (first, second), *told)
    (later.logits.mean() + later.iou.mean() + later.candidates.iou.mean() + later.score.mean()).backward()
    untouched = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is None}
    assert untouched <= {"maskmem_tpos_enc", "no_mem_pos_enc", "mask_downsample", "sam_prompt_encoder"}


# ---- descendants ----------------------------------------------------------------------------------------------------


def test_medsam2_of_zhu_has_no_pointers_and_remembers_conditioned_features() -> None:
    network = build("small_128", ZHU_2D)
    features = network.encode_image(_image())
    click = _prompts(points=[(30.0, 40.0, 1)])
    found = network.segment(features, click, [], mode="flow")
    assert found.pointer is None
    assert torch.equal(found.conditioned, features.levels[-1])  # nothing added where there is no memory
    memory = network.encode_memory(features, found, torch.zeros(1, 1, 128, 128), prompted=False)
    assert set(memory.tokens) == {"spatial"}
    later = network.segment(features, None, [Recall(memory)], mode="flow")
    other = network.encode_memory(features, later, torch.zeros(1, 1, 128, 128), prompted=False)
    assert not torch.allclose(other.tokens["spatial"], memory.tokens["spatial"])


def test_images_are_normalised_unless_the_model_wants_them_raw(network: Sam2) -> None:
    raw = build("small_128", replace(Behaviour(), normalise=False))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (_image() - mean[:, None, None]) / std[:, None, None]
    with torch.no_grad():
        torch.testing.assert_close(network.encode(_image())[-1], raw.encode(normalised)[-1])


def test_the_descriptor_has_unit_length(network: Sam2) -> None:
    descriptor = network.encode_image(_image()).descriptor
    assert descriptor.shape == (64,)
    assert float(descriptor.norm()) == pytest.approx(1.0)


def test_prompted_frames_are_remembered_as_binary_masks(network: Sam2) -> None:
    features = network.encode_image(_image())
    logits = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(1))
    prediction = Prediction(logits, iou=1.0, objectness=1.0, pointer=torch.zeros(1, 64))
    binary = network.encode_memory(features, prediction, logits, prompted=True)
    certain = network.encode_memory(features, prediction, 1000 * logits.sign(), prompted=False)
    torch.testing.assert_close(binary.tokens["spatial"], certain.tokens["spatial"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"image_size": 500}, "multiple of 32; got 500"),
        ({"version": "3.0"}, "2.0 and 2.1; got '3.0'"),
        ({"stages": (1, 2)}, "four stages"),
        ({"memory_dim": 48}, "multiple of the memory width"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_in_words(change: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        replace(SMALL, **change)


def test_any_input_size_loads_the_same_weights(network: Sam2) -> None:
    larger = Sam2(replace(SMALL, image_size=192)).eval()
    larger.load_state_dict(network.state_dict())
    found = larger.segment(larger.encode_image(torch.rand(1, 3, 192, 192)), None, [], mode="stack")
    assert found.logits.shape == (1, 1, 48, 48)


def test_the_default_is_the_released_tiny_network() -> None:
    assert Sam2Config().grid == 64
