"""What a worker does: one job at a time, by the same path as ``segment``, with a model that stays loaded."""

from __future__ import annotations

import socket
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ... import __version__
from ...errors import UserError
from ...session.review import Finding, suspects
from ..console import in_one_sentence
from ..host import Host, Saved, hosted_by
from .records import Record, fingerprint_of_files
from .rows import segment_parser

if TYPE_CHECKING:
    from ...models.device import Model

#: Where workers tell how far they are.
TOPIC = "napari-medsam2"
#: Models that a worker keeps; jobs come sorted by theirs.
MOST_MODELS = 2
#: Seconds between two tellings.
_PACE_S = 1.0

_one_at_a_time = threading.Lock()
_models: OrderedDict[tuple[Any, ...], Model] = OrderedDict()


class JobError(UserError):
    """A job that could not be done; the message says why. Unlike other errors it travels between computers."""


@dataclass(frozen=True)
class Order:
    """A job on its way to a worker.

    Attributes
    ----------
    name
        Of the job.
    options
        Those of ``segment``.
    written
        What it will have written.
    record
        The file that says so.
    made_of
        The fingerprint of what it is made of.
    version
        Of the program that sends it.
    """

    name: str
    options: Mapping[str, Any]
    written: tuple[Path, ...]
    record: Path
    made_of: str
    version: str = __version__


def do_job(order: Order) -> Mapping[str, Any]:
    """Segment a sequence and write its results, whole or not at all; returns what a table says of it.

    Raises
    ------
    JobError
        If that is not possible; results that were there are as they were.
    """
    where = socket.gethostname()
    if order.version != __version__:
        raise JobError(f"the worker on {where} has napari-medsam2 {__version__}, and the batch {order.version}")
    with _one_at_a_time:
        try:
            return _done(order, where)
        except Exception as error:
            told = _problem(error, where)
    raise JobError(told)  # here, where the first error is no part of it: that may not be able to travel


def _problem(error: Exception, where: str) -> str:
    """A sentence; of a fault of the program the traceback as well, on lines of its own."""
    sentence = in_one_sentence(error)
    if sentence is not None:
        return f"{sentence} (on {where})"
    whole = "".join(traceback.format_exception(error))
    return f"a fault of the program, {type(error).__name__}: {error} (on {where})\n{whole}"


def _done(order: Order, where: str) -> Mapping[str, Any]:
    start = time.perf_counter()
    host = _WorkerHost(order.name)
    arguments = segment_parser().parse_args(["--output", str(order.options["output"])])
    vars(arguments).update(order.options)
    order.record.parent.mkdir(parents=True, exist_ok=True)
    Record(order.made_of).write(order.record)
    with hosted_by(host):
        arguments.run(arguments)
    saved = host.all_saved
    summary = {
        **_summary(saved),
        "model": host.model,
        "seconds": round(time.perf_counter() - start, 3),
        "seconds_loading_model": round(host.seconds_loading, 3),
        "worker": where,
        "remarks": host.remarks,
    }
    Record(order.made_of, True, fingerprint_of_files(order.written), summary).write(order.record)
    return summary


def _summary(saved: Saved) -> dict[str, Any]:
    """How sure the network is of what was found without a prompt, and which frame to look at first."""
    sure = [saved.confidences[key] for key, found in saved.results.items() if not found.absent and not found.prompted]
    findings = [Finding.of(result, saved.confidences[key]) for key, result in saved.results.items()]
    worst = next(iter(suspects(findings, saved.mode)), None)
    return {
        "frames": len({frame for frame, _ in saved.results}),
        "of_frames": len(saved.names),
        "objects": len({number for _, number in saved.results}),
        "found": len(sure),
        "confidence": round(sum(sure) / len(sure), 4) if sure else None,
        "lowest": round(min(sure), 4) if sure else None,
        "doubt": round(worst.score, 4) if worst is not None else None,
        "check_first": saved.names[worst.frame] if worst is not None else "",
        "why": "; ".join(doubt.value for doubt in worst.doubts) if worst is not None else "",
    }


class _WorkerHost(Host):
    """Keeps what is said, tells how far it is, and has models that were loaded for an earlier job."""

    keeps_part = False

    def __init__(self, job: str) -> None:
        self.job = job
        self.remarks: list[str] = []
        self.model = ""
        self.seconds_loading = 0.0
        self._saved: Saved | None = None

    @property
    def all_saved(self) -> Saved:
        """What was saved of the sequence."""
        if self._saved is None:
            raise JobError("nothing was saved")
        return self._saved

    def say(self, sentence: str) -> None:
        self.remarks.append(sentence)

    def tell(self, text: str) -> None:
        """The summary says it."""

    def progress_bar(self, total: int | None, title: str, unit: str, delay: float) -> Any:
        return _Progress(self.job, total if unit == "frame" else None)

    def load_model(self, name: str, **options: Any) -> Model:
        """As another job had it loaded, unless it has moved to the CPU since for want of memory."""
        start, on_notice = time.perf_counter(), options.pop("on_notice")
        key = (name, *sorted(options.items()))
        model = _models.pop(key, None)
        if model is None or _moved(model, options.get("device", "auto")):
            model = super().load_model(name, on_notice=on_notice, **options)
        model.on_notice = on_notice
        _models[key] = model
        while len(_models) > MOST_MODELS:
            _models.popitem(last=False)
        self.model = model.name
        self.seconds_loading += time.perf_counter() - start
        return model

    def saved(self, saved: Saved) -> None:
        self._saved = saved


def _moved(model: Model, device: str) -> bool:
    from ...models.device import choose_device

    return model.device.type != choose_device(device).type


class _Progress:
    """What commands ask of a bar of tqdm; tells the scheduler, and whoever listens there, every now and then."""

    def __init__(self, job: str, total: int | None) -> None:
        self.job, self.total, self.n = job, total, 0
        self._told = 0.0

    def update(self, n: int = 1) -> None:
        """So many more are done."""
        self.n += n
        now = time.monotonic()
        if self.total is not None and now - self._told >= _PACE_S:
            self._told = now
            _tell({"job": self.job, "frames": self.n, "of": self.total})

    def set_postfix(self, **values: Any) -> None:
        """What a bar would show at its end."""

    def close(self) -> None:
        """There is no bar to close."""

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _tell(what: Mapping[str, Any]) -> None:
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:  # not on a worker, as in a script that does a job by itself
        return
    worker.log_event(TOPIC, what)
