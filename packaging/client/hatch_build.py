"""Builds the client from the source of napari-medsam2: its files but the weights, its needs but those of models."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGE = "napari_medsam2"
MANIFEST = "napari.yaml"
#: Folders of the package that are no use where no model runs.
LEFT_OUT = ("weights", "__pycache__")


class ClientMetadata(MetadataHookInterface):
    """What the two distributions share."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in what ``pyproject.toml`` calls dynamic; not asked for in an sdist, which has it written down."""
        above = Path(self.root).parents[1]
        project = tomllib.loads((above / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        source = (above / "src" / PACKAGE / "__init__.py").read_text(encoding="utf-8")
        (metadata["version"],) = re.findall(r'^__version__ = "(.+)"$', source, flags=re.MULTILINE)
        metadata["dependencies"] = [need for need in project["dependencies"] if not self._is_left_out(need)]
        extras = project["optional-dependencies"]
        metadata["optional-dependencies"] = {name: extras[name] for name in self.config["extras"] if name in extras}
        for name in ("requires-python", "classifiers", "keywords"):
            metadata[name] = project[name]

    def _is_left_out(self, need: str) -> bool:
        (name,) = re.findall(r"^[\w.-]+", need)
        return re.sub(r"[_.]", "-", name).lower() in self.config["without"]


class ClientFiles(BuildHookInterface[Any]):
    """Which files go in."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files of the package; in the manifest the plugin is called as the distribution, as napari wants."""
        if version == "editable":
            raise NotImplementedError("the client is not for developing: pip install -e . in the folder above is")
        root = Path(self.root)
        source = root / "src" / PACKAGE  # in an sdist
        if not source.is_dir():
            source = root.parents[1] / "src" / PACKAGE
        into = PACKAGE if self.target_name == "wheel" else f"src/{PACKAGE}"
        for path in sorted(source.rglob("*")):
            inside = path.relative_to(source)
            if path.is_file() and not set(inside.parts) & set(LEFT_OUT):
                build_data["force_include"][str(path)] = f"{into}/{inside}"
        self._renamed = tempfile.TemporaryDirectory()
        manifest = Path(self._renamed.name) / MANIFEST
        told = (source / MANIFEST).read_text(encoding="utf-8")
        manifest.write_text(re.sub(r"\bnapari-medsam2(?![\w-])", self.metadata.name, told), encoding="utf-8")
        del build_data["force_include"][str(source / MANIFEST)]
        build_data["force_include"][str(manifest)] = f"{into}/{MANIFEST}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clear up."""
        self._renamed.cleanup()
