"""What tests of layers have in common."""

from __future__ import annotations

import numpy as np
import pytest
from face import SHAPE
from napari.layers import Image


@pytest.fixture
def image():
    return Image(np.zeros(SHAPE, np.uint8), name="scan", scale=(3, 0.5, 0.5), translate=(10, -4, 7))
