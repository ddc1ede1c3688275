"""The labelled example: all of it, or nothing."""

from __future__ import annotations

import errno
import itertools
import os
from pathlib import Path

import pytest
import tifffile

from napari_medsam2.errors import TrainingError
from napari_medsam2.training.data.example import write_example


def test_on_a_full_disk_nothing_is_left_and_there_is_a_second_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = tifffile.imwrite, itertools.count()

    def full(path: Path, *given: object, **options: object) -> None:
        write(path, *given, **options)
        if next(calls) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(TrainingError, match="nothing of it is there: No space left"):
        write_example(tmp_path / "cells", count=3)
    assert not list((tmp_path / "cells").iterdir())
    write_example(tmp_path / "cells", count=3)
    names = {kind: sorted(path.name for path in (tmp_path / "cells" / kind).iterdir()) for kind in ("images", "labels")}
    assert names["images"] == names["labels"] and len(names["images"]) == 3
    assert len(list((tmp_path / "cells").iterdir())) == 2
