"""``napari-medsam2 models list | info | download | import``: which models there are, and bringing them here."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from ..errors import ModelError
from .console import INTERRUPTED, agrees, byte_bar, paragraph, say, tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of ``models``."""
    actions = parser.add_subparsers(title="what to do", metavar="ACTION")
    actions.add_parser("list", help="all there are, and what each is good for").set_defaults(run=_list)
    info = actions.add_parser("info", help="all there is to know about one, or what a file of weights is")
    info.add_argument("name", metavar="NAME_OR_FILE")
    info.set_defaults(run=_info)
    download = actions.add_parser("download", help="fetch a published one from its authors, after a yes")
    download.add_argument("name", metavar="NAME", help="a name from `models list`")
    download.add_argument("--yes", action="store_true", help="do not ask: size, licence and address are known")
    download.set_defaults(run=_download)
    take = actions.add_parser("import", help="copy a file that you have to where it is found by its name")
    take.add_argument("file", type=Path)
    take.add_argument("--as", dest="name", metavar="NAME", help="which model it is (default: told by name or content)")
    take.set_defaults(run=_import)
    parser.set_defaults(run=_list)


def _list(arguments: argparse.Namespace) -> int:
    from .model_info import listing

    tell(listing(max(40, min(100, shutil.get_terminal_size((100, 24)).columns))))
    return 0


def _info(arguments: argparse.Namespace) -> int:
    from ..models.places import expanded
    from ..models.registry import MODELS, no_such
    from .model_info import about_file, about_model

    entry, file = MODELS.get(arguments.name.lower()), expanded(arguments.name)
    if entry is None and not file.is_file():
        raise ModelError(no_such(arguments.name))
    tell(about_file(file) if entry is None else about_model(entry))
    return 0


def _download(arguments: argparse.Namespace) -> int:
    from ..models.files import before_download, download_model
    from ..models.registry import find_entry, local_file

    entry = find_entry(arguments.name)
    if local_file(entry).is_file():
        say(f"{entry.title} is here already")
        tell(str(local_file(entry)))
        return 0
    say(f"this fetches a file from the network:\n{paragraph(before_download(entry))}")
    if not arguments.yes and not agrees("Fetch it?"):
        raise ModelError("nothing was fetched: that takes a yes at the terminal, or --yes")
    try:
        with byte_bar(entry.file) as progress:
            tell(str(download_model(entry.name, progress=progress)))
    except KeyboardInterrupt:
        say("stopped; what came is kept, and the same command goes on from there")
        return INTERRUPTED
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from ..models.files import import_model

    with byte_bar(arguments.file.name) as progress:
        taken = import_model(arguments.file, arguments.name, progress=progress)
    say(f"recognised {taken.architecture}; it is now {taken.entry.name}, {taken.entry.title}")
    tell(str(taken.path))
    return 0
