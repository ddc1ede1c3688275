"""The training curve: a CSV with a row a step, which a resumed run continues without gaps or doubles."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from ...errors import TrainingError
from .saving import save_run_file


class Curve:
    """Figures of every step, in memory and in a CSV file.

    Parameters
    ----------
    path
        The file; what is in it up to step ``last`` is read, and what comes after is dropped.
    last
        The step that the run goes on from; 0 starts anew.
    """

    def __init__(self, path: Path, last: int = 0) -> None:
        self.path = path
        self.columns: list[str] = []
        self.rows: list[dict[str, float]] = []
        if last and path.exists():
            self._read(last)
        if path.exists():
            self._write()

    def _read(self, last: int) -> None:
        with self.path.open(newline="", encoding="utf-8", errors="replace") as file:
            reader = csv.DictReader(file)
            self.columns = [name for name in reader.fieldnames or () if name]
            for row in reader:
                try:
                    values = {name: float(row[name]) for name in self.columns if row[name] != ""}
                except (TypeError, ValueError):
                    continue  # cut off by a kill
                if values.get("step", math.inf) <= last:
                    self.rows.append(values)

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Append a step to the file."""
        row = {"step": float(step), **figures}
        self.rows.append(row)
        if any(name not in self.columns for name in row):
            self.columns += [name for name in row if name not in self.columns]
            self._write()
            return
        try:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(self._texts(row))
        except OSError as error:
            raise TrainingError(f"cannot write {self.path}: {error.strerror or error}") from error

    def _write(self) -> None:
        def write(draft: Path) -> None:
            with draft.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(self.columns)
                writer.writerows(self._texts(row) for row in self.rows)

        save_run_file(self.path, write)

    def _texts(self, row: Mapping[str, float]) -> list[str]:
        return [_text(name, row[name]) if name in row else "" for name in self.columns]


def _text(name: str, value: float) -> str:
    return str(int(value)) if name == "step" else f"{value:.5g}"
