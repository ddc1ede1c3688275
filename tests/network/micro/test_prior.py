"""The features that photographs taught: heard in flows, left out of stacks, never trained."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from napari_medsam2.errors import ConfigError
from napari_medsam2.network.micro.config import MicroConfig
from napari_medsam2.network.micro.memory import MicroMemory
from napari_medsam2.network.micro.network import MicroNetwork
from napari_medsam2.network.micro.prior import SAM_SIZE
from napari_medsam2.network.micro.prompt_maps import prompt_maps
from napari_medsam2.training.config import TrainConfig
from napari_medsam2.training.learning.learners import MicroLearner

SMALL = MicroConfig(image_size=64, region_size=64, widths=(8, 16, 16, 16), match_dim=8, prior_dim=12)


@pytest.fixture(scope="module")
def network() -> MicroNetwork:
    torch.manual_seed(0)
    made = MicroNetwork(SMALL).eval().requires_grad_(False)
    assert made.prior is not None
    for components in (made.prior.lite_components, made.prior.sam_components):
        components.directions.copy_(torch.linalg.qr(torch.randn(*reversed(components.directions.shape))).Q.T)
    return made


def striped(row: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise with a striped square of the same brightness, and the square's mask."""
    generator = torch.Generator().manual_seed(row)
    image = 0.5 + 0.02 * torch.randn((1, 1, 64, 64), generator=generator)
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., row : row + 24, row : row + 24] = 1
    stripes = 0.3 * torch.sign(torch.sin(torch.arange(64) * 1.6))
    return (image + mask * stripes).clamp(0, 1).expand(-1, 3, -1, -1), mask


def test_its_features_are_at_a_quarter_of_the_size_with_mean_square_one(network: MicroNetwork) -> None:
    assert network.prior is not None
    features, embedding = network.prior(striped(8)[0], striped(8)[0])
    assert features.shape == (1, 24, 16, 16) and embedding.shape == (1, 256, SAM_SIZE // 16, SAM_SIZE // 16)
    for one in features.split(12, 1):
        assert torch.allclose(one.square().mean(1), torch.ones(1, 16, 16), atol=0.05)


@pytest.mark.parametrize("side", [32, 80, 112])
def test_any_input_that_the_network_takes_can_be_encoded(network: MicroNetwork, side: int) -> None:
    features, _ = network.encode(torch.rand(1, 3, side, side), "flow")
    assert features.prior.shape == (1, 25, side // 4, side // 4) and features.match.shape[-1] == side // 4


def test_stacks_are_segmented_as_without_it(network: MicroNetwork) -> None:
    plain = MicroNetwork(MicroConfig(**{**vars(SMALL), "prior_dim": 0})).eval().requires_grad_(False)
    plain.load_state_dict({k: v for k, v in network.state_dict().items() if not k.startswith("prior.")})
    image, mask = striped(8)
    answers = []
    for one in (network, plain):
        features, _ = one.encode(image, "stack")
        assert features.prior.shape[1] == 0
        memory = one.memory.remember(features, mask)
        maps = prompt_maps(None, mask, mode="stack", side=32, device="cpu")
        answers.append(one.decode(features, maps, memory, torch.ones(1, 1), "stack")[0])
    assert torch.equal(*answers)


def test_in_flows_it_finds_what_the_own_features_cannot_tell(network: MicroNetwork) -> None:
    (image, mask), (other, there) = striped(4), striped(36)
    features, _ = network.encode(image, "flow")
    now, _ = network.encode(other, "flow")
    blind = [replace(f, match=torch.ones_like(f.match)) for f in (features, now)]
    score = network.memory.ridge(blind[1], network.memory.remember(blind[0], mask), torch.ones(1, 1))
    where = F.avg_pool2d(there, 4)
    assert score[where == 1].mean() > score[where == 0].mean() + 0.05


def test_memories_of_both_kinds_are_joined_by_their_entries(network: MicroNetwork) -> None:
    image, mask = striped(8)
    for mode, size in (("flow", 25), ("stack", 0)):
        features, _ = network.encode(image, mode)
        one = network.memory.remember(features, mask)
        assert MicroMemory.cat([one, one]).prior_gram.shape == (1, 2, size, size)


def test_training_leaves_it_as_it_is(network: MicroNetwork) -> None:
    learner = MicroLearner(MicroNetwork(SMALL), TrainConfig())
    assert learner.network.prior is not None
    assert not any(parameter.requires_grad for parameter in learner.network.prior.parameters())
    assert any(parameter.requires_grad for parameter in learner.network.decoder.parameters())


def test_no_network_has_fewer_components_than_none() -> None:
    with pytest.raises(ConfigError, match="prior_dim of the micro network"):
        MicroConfig(prior_dim=-1)
