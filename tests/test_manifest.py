"""napari finds the plugin, and each thing that the manifest promises is there."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_medsam2

PACKAGE = Path(napari_medsam2.__file__).parent


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(PACKAGE / "napari.yaml")


def test_the_manifest_is_valid_and_is_the_installed_one(manifest: PluginManifest) -> None:
    manifest.validate_imports()
    assert PluginManifest.from_distribution("napari-medsam2").name == manifest.name == "napari-medsam2"


def test_every_command_resolves_to_something_to_call(manifest: PluginManifest) -> None:
    commands = manifest.contributions.commands or []
    assert commands
    for command in commands:
        module, _, name = str(command.python_name).partition(":")
        assert callable(getattr(import_module(module), name)), command.id


def test_every_contribution_names_a_command_of_ours(manifest: PluginManifest) -> None:
    known = {command.id for command in manifest.contributions.commands or []}
    used = {item.command for item in manifest.contributions.widgets or []}
    used |= {item.command for item in manifest.contributions.sample_data or [] if hasattr(item, "command")}
    assert used
    assert used <= known


def test_the_dock_is_under_plugins_medsam2(manifest: PluginManifest) -> None:
    assert manifest.display_name == "MedSAM-2"
    assert manifest.contributions.widgets
