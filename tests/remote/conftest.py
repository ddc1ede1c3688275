"""One server for each test that wants one, and engines on it."""

from __future__ import annotations

import pytest
from lab import Lab, Listener

from napari_medsam2.remote.engine import RemoteEngine


@pytest.fixture
def lab(tmp_path):
    lab = Lab(tmp_path)
    yield lab
    lab.stop()


@pytest.fixture
def remote(lab):
    """An engine on the server, and what it tells."""
    heard = Listener()
    engine = RemoteEngine(heard, lab.address)
    yield engine, heard
    assert engine.close(timeout=20)
