"""Servers that were used, with their keys: in a file of the user's own that nobody else on this computer can read.

Not in napari's preferences, which people paste into reports; and in no keyring, which many a Linux desktop, and every
session over SSH, has none of, or asks a second password for. Programs of the same user can read either.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs

from ..errors import OptionError
from ..json_files import read_json
from ..whole_file import replace_file

#: So many of the latest ones are kept.
_KEPT = 8


@dataclass(frozen=True)
class KnownServer:
    """A server; the key is empty where it wants none, or is not to be kept."""

    address: str
    key: str = ""


class KnownServers:
    """The servers that were used, the latest first.

    Parameters
    ----------
    path
        The file; by default one in the user's folder of settings.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or Path(platformdirs.user_config_dir("napari-medsam2", appauthor=False)) / "servers.json"
        self._for_now: dict[str, str] = {}  # keys that are not kept

    @property
    def all(self) -> tuple[KnownServer, ...]:
        """Those in the file; none where it cannot be read."""
        if not self._path.is_file():
            return ()
        try:
            told = read_json(self._path, OptionError)
            return tuple(KnownServer(str(each["address"]), str(each["key"])) for each in told["servers"])
        except (OptionError, LookupError, TypeError):
            return ()

    def key_of(self, address: str) -> str:
        """The key of a server; empty if there is none."""
        known = {server.address: server.key for server in self.all}
        return self._for_now.get(address) or known.get(address, "")

    def remember(self, address: str, key: str, *, keep_key: bool) -> None:
        """Keep an address, and the key for as long as this program runs, or for good.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        self._for_now[address] = key
        others = [server for server in self.all if server.address != address]
        servers = [KnownServer(address, key if keep_key else ""), *others][:_KEPT]
        text = json.dumps({"servers": [asdict(server) for server in servers]}, indent=1)
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)  # before there is a key in it
        replace_file(self._path, lambda draft: draft.write_text(text, encoding="utf-8"))
        os.chmod(self._path, 0o600)
