"""``python -m napari_medsam2`` is the command ``napari-medsam2``."""

from __future__ import annotations

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
