"""Three stacks with a table of jobs, and workers that are threads of the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tifffile
from batch_tables import NAMES, write_table
from fakes import moving_disc

from napari_medsam2.cli.batch import command, work


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with scans and a table of jobs, one for each."""
    for number, name in enumerate(NAMES):
        images = moving_disc(5 + number)[0]
        tifffile.imwrite(tmp_path / f"{name}.tif", images, photometric="minisblack")
    write_table(tmp_path / "jobs.csv", *({"input": f"{name}.tif", "output": f"{name}_labels.tif"} for name in NAMES))
    return tmp_path


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, blobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One worker in this process, with the blob model; returns which models were loaded."""
    from distributed import Client

    @contextmanager
    def workers(arguments: Any) -> Iterator[Client]:
        with Client(
            processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=60
        ) as client:
            yield client

    monkeypatch.setattr(command, "workers_of", workers)
    monkeypatch.setattr(work, "_models", type(work._models)())
    return blobs
