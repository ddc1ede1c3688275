"""Jobs handed out to workers, and what comes back of each, as it comes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..console import say
from .work import TOPIC, JobError, Order, do_job

if TYPE_CHECKING:
    from distributed import Client

#: Times that a job which failed is tried again.
RETRIES = 1
#: Seconds without a worker until that is said.
_PATIENCE_S = 15


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes
    ----------
    name
        Of the job.
    summary
        What a table says of it; empty if it failed.
    problem
        Why it failed; empty if it did not.
    """

    name: str
    summary: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


def outcomes(client: Client, orders: Sequence[Order], on_frames: Callable[[int], None]) -> Iterator[Outcome]:
    """Have all jobs done, in any order; a job that fails is tried once more.

    Parameters
    ----------
    client
        Connected to workers.
    orders
        The jobs, those with one model after each other.
    on_frames
        Told now and then how many frames are done, of all jobs that are at work or done; from another thread.
    """
    from distributed import as_completed

    frames: dict[str, int] = {}

    def hear(event: tuple[float, Any]) -> None:
        told = event[1]
        if isinstance(told, Mapping) and told.get("job") in names:
            frames[told["job"]] = told["frames"]
            on_frames(sum(frames.values()))

    names = {order.name for order in orders}
    client.subscribe_topic(TOPIC, hear)
    _wait_for_a_worker(client)
    # Of one group, so that the scheduler keeps the jobs and hands one to whichever worker is free.
    group = f"segment-{uuid.uuid4().hex[:8]}"
    futures = {
        client.submit(do_job, order, key=(group, order.name), retries=RETRIES, pure=False): order.name
        for order in orders
    }
    try:
        for future in as_completed(list(futures)):
            outcome = _outcome(future, futures[future])
            frames[outcome.name] = outcome.summary.get("frames", 0)
            on_frames(sum(frames.values()))
            yield outcome
            future.release()
    finally:
        client.unsubscribe_topic(TOPIC)
        client.cancel([future for future in futures if not future.done()])


def _outcome(future: Any, name: str) -> Outcome:
    from distributed import KilledWorker

    if future.status == "finished":
        return Outcome(name, future.result())
    if future.status != "error":
        return Outcome(name, problem="the scheduler is gone, or dropped the job; start the batch again to do it")
    error = future.exception()
    if isinstance(error, KilledWorker):
        return Outcome(name, problem="the worker that did it ended in the middle of it, twice: is its memory enough?")
    if isinstance(error, JobError):
        return Outcome(name, problem=str(error))
    if isinstance(error, ModuleNotFoundError) and "napari_medsam2" in str(error):
        return Outcome(name, problem="the workers have no napari-medsam2 of this version installed")
    return Outcome(name, problem=f"{type(error).__name__}: {error}")


def _wait_for_a_worker(client: Client) -> None:
    """Say it if there is none for a while; a queue may take its time."""
    try:
        client.wait_for_workers(1, timeout=_PATIENCE_S)
    except asyncio.TimeoutError:
        address = client.scheduler.address if client.scheduler else ""
        say(f"no worker is there yet; the batch waits for the queue, or for a `dask worker {address} --nthreads 1`")
