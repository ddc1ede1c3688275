"""A server in a process of its own, as administrators start it; it can be killed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence


class ServerProcess:
    """``napari-medsam2 serve``, with the bundled model."""

    def __init__(self, *options: str, port: int = 0) -> None:
        self._options = options
        self.port = port
        self.start()

    def start(self) -> None:
        command: Sequence[str] = (
            *(sys.executable, "-m", "napari_medsam2", "serve", "--device", "cpu", "--port", str(self.port)),
            *self._options,
        )
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.said: list[str] = []
        for line in self.process.stderr:
            self.said.append(line)
            if found := re.search(r"serving on (http://\S+:(\d+));", line):
                self.address, self.port = found[1], int(found[2])
                break
        else:
            raise AssertionError("".join(self.said))
        self._reader = threading.Thread(target=self._read_on, daemon=True)
        self._reader.start()

    def _read_on(self) -> None:
        """Its log goes on: nobody reads it, but it must not wait for a reader."""
        assert self.process.stderr is not None
        with self.process.stderr as log:
            self.said += log

    def kill(self) -> None:
        """At once, whatever it is at."""
        self.process.kill()
        self._wait()

    def stop(self) -> int:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        return self._wait()

    def _wait(self) -> int:
        code = self.process.wait(30)
        self._reader.join(30)
        return code
