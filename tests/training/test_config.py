"""The configuration: every option is described, bad ones are refused, and it survives its file."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from training_helpers import (
    TINY,
)

from napari_medsam2.training.config import TrainConfig, describe_options, from_json, make_config, options


def test_every_option_is_described_and_bad_ones_are_refused() -> None:
    assert all(describe_options().values())
    with pytest.raises(ValueError, match="multiple of 64"):
        replace(TINY, size=100)


def test_a_configuration_survives_its_file() -> None:
    config = make_config({"data": ("a", "b"), "holdout": 0.5, "steps": 7})
    assert from_json(json.loads(json.dumps(config.as_json()))) == config
    assert config.model == "micro" and config.steps == 7
    for bad in ({"steps": "many"}, {"flips": 1}, {"data": "a"}, [1]):
        with pytest.raises(ValueError, match=r"should be|JSON object"):
            from_json(bad)
    with pytest.raises(ValueError, match="must be one of auto, stack, flow"):
        TrainConfig(mode="film")
    assert all(option.told for option in options())
