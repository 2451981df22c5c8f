"""What a process and all its descendants use: memory that is counted once, and processor time, by kind of process."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from types import TracebackType

import psutil

MEGABYTE = 2**20


class Watch:
    """Samples a tree of processes in a thread, from `with` to the end of its block.

    Memory is the sum of proportional set sizes (PSS): a page that several processes share, such as those of Ray's
    object store, is counted once.

    Attributes:
        peak: megabytes by kind of process at the moment when their sum was largest.
        largest: largest megabytes of each kind of process, whenever that was.
        seconds: processor seconds by kind of process, of those processes that were seen at least once.
        samples: how many times memory was looked at.
    """

    def __init__(self, pid: int, *, memory: bool, interval: float = 0.2) -> None:
        self._root = psutil.Process(pid)
        self._memory, self._interval = memory, interval
        self._spent: dict[int, tuple[str, float]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_stopped, daemon=True)
        self.peak: dict[str, float] = {}
        self.largest: dict[str, float] = {}
        self.samples = 0

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def seconds(self) -> dict[str, float]:
        """Processor seconds by kind of process."""
        total: dict[str, float] = defaultdict(float)
        for kind, spent in self._spent.values():
            total[kind] += spent
        return {kind: round(spent, 1) for kind, spent in sorted(total.items(), key=lambda item: -item[1])}

    def _sample_until_stopped(self) -> None:
        while not self._stop.is_set():
            began = time.perf_counter()
            self._sample()
            self._stop.wait(max(0.0, self._interval - (time.perf_counter() - began)))

    def _sample(self) -> None:
        memory: dict[str, float] = defaultdict(float)
        try:
            processes = [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in processes:
            try:
                kind = "driver" if process.pid == self._root.pid else _kind(process.name(), process.cmdline())
                times = process.cpu_times()
                self._spent[process.pid] = (kind, times.user + times.system)
                if self._memory:
                    memory[kind] += process.memory_full_info().pss / MEGABYTE
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        self.samples += 1
        for kind, size in memory.items():
            self.largest[kind] = max(self.largest.get(kind, 0.0), round(size, 1))
        if sum(memory.values()) > sum(self.peak.values()):
            self.peak = {kind: round(size, 1) for kind, size in sorted(memory.items(), key=lambda item: -item[1])}


def _kind(name: str, command: list[str]) -> str:
    """Ray names its workers after what they run: `ray::MapWorker(...)`, `ray::IDLE`, `ray::ReadParquet`."""
    title = command[0] if command else name
    if not title.startswith("ray::"):
        return name
    return "model actors" if "MapWorker" in title else "idle Ray workers" if "IDLE" in title else "other Ray workers"
