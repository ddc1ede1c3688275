"""How long a batch takes on many workers: a simulation from times that were measured on a few.

Run as ``.venv/bin/python tools/simulate_batch.py --workers 1 8 64 --frame 0.05``; docs/batch.md has what came of it.
``tools/measure_batch.py`` measures what goes in. A worker starts and loads its model; then, again and again, it takes a
job, reads its images through a disk that all share, segments frame by frame, and writes. The scheduler hands out one
job at a time. Workers may end in the middle of a job, which another one begins anew.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Study:
    """What a batch is made of. Times in seconds, sizes in megabytes.

    Attributes
    ----------
    jobs, frames, spread
        Sequences, frames of a sequence, and by how much these differ: the standard deviation over the mean.
    frame
        What a frame takes a worker.
    start
        From the command until the first job is begun; a worker that is started anew takes it again.
    around
        What a job takes beside its frames: opening, writing, saying so.
    megabytes
        What a job reads.
    disk, link
        What the shared disk gives to all workers together, and to one at most, in megabytes a second.
    scheduler
        What the scheduler takes for a job, one after the other.
    death
        Probability that a worker ends in the middle of a job.
    """

    jobs: int = 1000
    frames: int = 150
    spread: float = 0.4
    frame: float = 0.05
    start: float = 6.0
    around: float = 0.2
    megabytes: float = 75.0
    disk: float = 500.0
    link: float = 100.0
    scheduler: float = 0.002
    death: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """Seconds of the whole batch, the share of them that workers computed frames, and that they waited for the disk."""

    seconds: float
    computing: float
    reading: float


class Disk:
    """A disk that is shared: who reads gets an equal part of it, and no more than a link carries."""

    def __init__(self, total: float, link: float) -> None:
        self.total, self.link = total, link
        self.left: dict[int, float] = {}
        self.now = 0.0

    def _rate(self) -> float:
        return min(self.link, self.total / max(1, len(self.left)))

    def go_to(self, now: float) -> None:
        """Read until then."""
        for worker in self.left:
            self.left[worker] -= self._rate() * (now - self.now)
        self.now = now

    def next_done(self) -> tuple[float, int] | None:
        """When which worker has read all, if nobody begins to read before."""
        if not self.left:
            return None
        worker = min(self.left, key=lambda worker: self.left[worker])
        return self.now + max(0.0, self.left[worker]) / self._rate(), worker


def simulate(study: Study, workers: int, seed: int = 0) -> Outcome:
    """One batch on so many workers."""
    rng = np.random.default_rng(seed)
    shape = 1 / study.spread**2 if study.spread else 0.0
    lengths = rng.gamma(shape, 1 / shape, study.jobs) if shape else np.ones(study.jobs)  # times the mean
    waiting, disk = list(lengths[::-1]), Disk(study.disk, study.link)
    at_work: dict[int, float] = {}
    events: list[tuple[float, int, str]] = [(study.start, worker, "free") for worker in range(workers)]
    heapq.heapify(events)
    computed = read = free_scheduler = end = 0.0
    begun: dict[int, float] = {}
    for now, worker, what in _in_time(events, disk):
        disk.go_to(now)
        if what == "free" and waiting:
            at_work[worker] = waiting.pop()
            free_scheduler = max(now, free_scheduler) + study.scheduler
            heapq.heappush(events, (free_scheduler, worker, "read"))
        elif what == "read":
            begun[worker] = now
            disk.left[worker] = study.megabytes * at_work[worker]
        elif what == "compute":
            del disk.left[worker]
            read += now - begun[worker]
            seconds = study.frame * study.frames * at_work[worker]
            if rng.random() < study.death:
                waiting.append(at_work.pop(worker))
                heapq.heappush(events, (now + rng.random() * seconds + study.start, worker, "free"))
                continue
            computed += seconds
            heapq.heappush(events, (now + seconds + study.around, worker, "done"))
        elif what == "done":
            at_work.pop(worker)
            end = now
            heapq.heappush(events, (now, worker, "free"))
    return Outcome(end, computed / (workers * end), read / (workers * end))


def _in_time(events: list[tuple[float, int, str]], disk: Disk) -> Iterator[tuple[float, int, str]]:
    """What happens next, among what is planned and what the disk will have read."""
    while events or disk.left:
        done = disk.next_done()
        if done is not None and (not events or done[0] <= events[0][0]):
            yield (*done, "compute")
        else:
            yield heapq.heappop(events)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    for name, default in vars(Study()).items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    arguments = parser.parse_args()
    study = replace(Study(), **{name: getattr(arguments, name) for name in vars(Study())})
    alone = simulate(study, 1).seconds
    print("| workers | time | times as fast | computing | waiting for the disk |")
    print("|---|---|---|---|---|")
    for workers in arguments.workers:
        found = simulate(study, workers)
        hours, minutes = divmod(round(found.seconds / 60), 60)
        time = f"{hours} h {minutes:02d} min" if hours else f"{found.seconds / 60:.1f} min"
        print(f"| {workers} | {time} | {alone / found.seconds:.1f} | {found.computing:.0%} | {found.reading:.0%} |")


if __name__ == "__main__":
    main()
