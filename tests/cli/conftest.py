"""A stack on the disk, for the commands that read one."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile
from fakes import moving_disc


@pytest.fixture
def tif(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "stack.tif", moving_disc(6)[0], photometric="minisblack")
    return tmp_path / "stack.tif"
