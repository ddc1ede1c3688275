"""One engine for each test, closed after it."""

from __future__ import annotations

import pytest
from desk import Desk


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    desk.let(1000)
    assert desk.engine.close(timeout=10)
