"""Where the time of a frame goes: each module's share of a clock, counted once."""

from __future__ import annotations

import torch

from golden.cases import SMALL, build
from napari_medsam2.evaluation.comparison import moving_noise
from napari_medsam2.evaluation.stages import REST, parts_of, shares
from napari_medsam2.network.sam2.config import Behaviour


class _Clock:
    """A clock that each module of a network moves on by one once it is entered."""

    def __init__(self) -> None:
        self.now = 0

    def watch(self, network: torch.nn.Module) -> None:
        for module in network.modules():
            module.register_forward_pre_hook(self._tick)

    def _tick(self, *_: object) -> None:
        self.now += 1

    def __call__(self) -> float:
        return float(self.now)


def test_every_tick_goes_to_one_part_and_none_is_lost() -> None:
    network = build("small_128", Behaviour())
    clock = _Clock()
    with shares(network, parts_of(SMALL), clock) as ticks:
        clock.watch(network)
        network.encode_image(moving_noise(128, 3))
    assert sum(ticks.values()) == clock.now
    blocks = {"trunk, stage 1", "trunk, stage 2", "trunk, stage 3", "trunk, stage 4", "trunk, global blocks"}
    assert blocks | {"patch embedding", "neck"} <= set(ticks)
    assert not {"decoder", "memory encoder"} & {part for part, count in ticks.items() if count}


def test_what_is_inside_another_part_is_not_counted_twice_and_hooks_go() -> None:
    outer = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
    clock = _Clock()
    with shares(outer, {"": "outer", "0": "inner", "absent": "nothing"}, clock) as ticks:
        clock.watch(outer)
        outer(torch.zeros(1, 2))
    assert (ticks["outer"] + ticks[REST], ticks["inner"]) == (2, 1)
    assert "nothing" not in ticks
    assert len(outer._forward_hooks) == 0


def test_the_noise_moves_and_repeats() -> None:
    assert torch.equal(moving_noise(16, 2), moving_noise(16, 18))
    assert not torch.equal(moving_noise(16, 2), moving_noise(16, 3))
