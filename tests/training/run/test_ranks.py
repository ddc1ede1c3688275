"""Several processes that train one network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training_helpers import (
    CPU,
    steps_in,
)

from napari_medsam2.training.run import files
from napari_medsam2.training.run.files import STATE

_ON_EACH_RANK = """
import json, sys
from dataclasses import replace
from pathlib import Path
import torch
from napari_medsam2.training.run.ranks import join_ranks
from napari_medsam2.training.run.trainer import Trainer
sys.path.insert(0, sys.argv[2])
from training_helpers import CPU, TINY, small_setup

torch.set_num_threads(1)
folder = Path(sys.argv[1])
with join_ranks(CPU) as ranks:
    for steps in (2, 4):  # the second run resumes the first
        config = replace(TINY, steps=steps)
        setup = small_setup(config)
        plain, numbers = setup.make, []
        object.__setattr__(setup, "make", lambda number, step: numbers.append(number) or plain(number, step))
        trainer = Trainer(folder, config, CPU, setup, ranks)
        trainer.resume()
        first = trainer.step
        trainer.run(lambda *_: None)
    weights = torch.cat([p.detach().flatten() for p in trainer.network.parameters()]).double()
    sums = [float(weights.sum()), float(weights.square().sum())]
    told = {"count": ranks.count, "first": first, "numbers": numbers, "weights": sums}
    (folder / f"rank{ranks.rank}.json").write_text(json.dumps(told))
"""


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run by two processes."""
    folder = tmp_path_factory.mktemp("ranks")
    script = folder / "script.py"
    script.write_text(_ON_EACH_RANK)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*torchrun, "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", str(script), str(folder)]
    done = subprocess.run(
        [*command, str(Path(__file__).parents[2] / "support")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_two_processes_see_different_data_agree_on_the_weights_and_resume(two_ranks: Path) -> None:
    first, second = (json.loads((two_ranks / f"rank{rank}.json").read_text()) for rank in range(2))
    assert (first["count"], first["first"], second["first"]) == (2, 2, 2)
    assert first["numbers"] == [4, 6] and second["numbers"] == [5, 7]
    assert first["weights"] == second["weights"]
    assert steps_in(two_ranks) == [1, 2, 3, 4]
    assert torch.load(two_ranks / STATE, weights_only=True)["step"] == 4
    assert files.load_state(two_ranks / STATE, CPU)["step"] == 4
