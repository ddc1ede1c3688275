"""What this package was installed as: napari-medsam2, or napari-medsam2-client of the same source, without torch."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from pathlib import Path

COMPLETE, CLIENT = "napari-medsam2", "napari-medsam2-client"


@cache
def plugin_name() -> str:
    """What napari knows the plugin as: the distribution that put napari's manifest where it is."""
    manifest = Path(__file__).with_name("napari.yaml").read_text(encoding="utf-8")
    return next(line.partition(":")[2].strip() for line in manifest.splitlines() if line.startswith("name:"))


def version_of(distribution: str) -> str:
    """The version that is installed; empty if none is."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def two_at_once() -> str:
    """What to do about both distributions in one environment, in a sentence; empty where that is not so."""
    versions = {name: version_of(name) for name in (COMPLETE, CLIENT)}
    if not all(versions.values()):
        return ""
    told = " and ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"{told} are both installed and hold the same files, so that to remove one breaks the other: pip uninstall "
        f"{COMPLETE} {CLIENT}, then install the one that you want ({COMPLETE} is complete)"
    )
