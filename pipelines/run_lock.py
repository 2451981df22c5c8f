"""An output folder belongs to one run at a time: a lock file that a dead run cannot hold.

It is made whole and under its name in one step (a hard link, which shared file systems make on their server; an
exclusive creation where there are no links), so that of several runs one gets it. On the machine that made it, whether
the process lives is asked of the system; anywhere else its heartbeat tells, by the clock of the file server alone.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from pipelines.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_FILE = ".run-lock"
HEARTBEAT_SECONDS = 15.0
SILENT_SECONDS = 180.0
"""After which a run elsewhere counts as dead: shared file systems may show a heartbeat a minute late."""
SAME_START_SECONDS = 5.0
"""By which the start time of one process may differ from call to call, as the system's clock is set."""
ATTEMPTS = 10
log = logging.getLogger(__name__)


class HeldError(InputError):
    """Another run holds the folder."""


@dataclass(frozen=True)
class Holder:
    """Who holds a folder.

    Attributes:
        token: of this one lock.
        entry_point: what it runs.
        host: the machine's name.
        machine: its boot and process namespace, within which a pid means one process.
        pid: of the process.
        started: when that began, in seconds since the epoch.
        since: when the lock was made, for a person.
    """

    token: str
    entry_point: str
    host: str
    machine: str
    pid: int
    started: float
    since: str

    @classmethod
    def here(cls, entry_point: str) -> Holder:
        """This process."""
        import psutil

        since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        started = psutil.Process().create_time()
        return cls(uuid4().hex, entry_point, os.uname().nodename, _machine(), os.getpid(), started, since)

    def runs_here(self) -> bool:
        """Whether the process of this machine that made the lock is still alive."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < SAME_START_SECONDS
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False


@contextmanager
def exclusive(folder: Path, entry_point: str) -> Iterator[None]:
    """Hold a folder; the lock of a dead run is taken over, and said.

    Raises:
        HeldError: a living run holds it.
    """
    lock, own = folder / LOCK_FILE, Holder.here(entry_point)
    _take(lock, own)
    ended = threading.Event()
    heart = threading.Thread(target=_beat, args=(lock, own, ended), daemon=True)
    heart.start()
    try:
        yield
    finally:
        ended.set()
        heart.join(timeout=HEARTBEAT_SECONDS)  # it may wait for a file server
        if read_holder(lock) == own:
            lock.unlink(missing_ok=True)


def read_holder(lock: Path) -> Holder | None:
    """Who holds a lock; None where there is none. One that cannot be read has an unknown holder."""
    try:
        return Holder(**json.loads(lock.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):  # the machine went down as it was written
        return Holder("unreadable", "a run", "an unknown machine", "", 0, 0.0, "an unknown time")


def _take(lock: Path, own: Holder) -> None:
    beside = lock.with_name(f"{lock.name}.{own.token}")
    beside.write_text(json.dumps(asdict(own)))
    try:
        for _ in range(ATTEMPTS):
            if _made(lock, beside):
                return
            holder = read_holder(lock)
            if holder is None:
                continue  # it was given back just now
            silent = _silent_seconds(lock)
            if _alive(holder, silent):
                raise HeldError(_refusal(lock, holder, silent))
            if _taken_over(lock, holder, beside):
                log.warning(
                    "%s: taken over from %s (pid %d on %s), which has died",
                    lock.parent, holder.entry_point, holder.pid, holder.host,
                )  # fmt: skip
                return
            time.sleep(0.1)  # another run is about to take it over
        raise HeldError(f"--output {lock.parent}: other runs are starting there; give another --output")
    finally:
        beside.unlink(missing_ok=True)


def _made(lock: Path, beside: Path) -> bool:
    """Give the file beside the lock's name, unless that is taken."""
    try:
        os.link(beside, lock)
    except FileExistsError:
        return beside.stat().st_nlink == 2  # a file server's answer was lost, and the link asked for twice
    except OSError:  # no links there
        try:
            with lock.open("x") as file:
                file.write(beside.read_text())
        except FileExistsError:
            return False
    return True


def _taken_over(lock: Path, dead: Holder, beside: Path) -> bool:
    """Put the file beside in the place of a dead run's lock; only one run at a time may follow that run."""
    turn = lock.with_name(f"{lock.name}.after-{dead.token}")
    try:
        turn.touch(exist_ok=False)
    except FileExistsError:
        if _silent_seconds(turn) > SILENT_SECONDS:  # it died in these few lines
            turn.unlink(missing_ok=True)
        return False
    try:
        if read_holder(lock) != dead:
            return False
        beside.replace(lock)
        return True
    finally:
        turn.unlink(missing_ok=True)


def _alive(holder: Holder, silent: float) -> bool:
    return holder.runs_here() if holder.machine == _machine() else silent < SILENT_SECONDS


def _refusal(lock: Path, holder: Holder, silent: float) -> str:
    return (
        f"--output {lock.parent}: {holder.entry_point} (pid {holder.pid} on {holder.host}, since {holder.since}, last "
        f"heard of {max(silent, 0):.0f} s ago) is at work there; wait until it ends, or give another --output"
    )


def _silent_seconds(path: Path) -> float:
    """Seconds since a file was last touched, both times by the clock of the file system; 0 where it is gone."""
    probe = path.with_name(f"{path.name}.now-{uuid4().hex}")
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
    finally:
        probe.unlink(missing_ok=True)


def _beat(lock: Path, own: Holder, ended: threading.Event) -> None:
    """Touch the lock every now and then; a run whose lock is another's, or gone, ends."""
    while not ended.wait(HEARTBEAT_SECONDS):
        with suppress(OSError):  # a file server that does not answer may do so the next time
            if read_holder(lock) != own:
                log.error("%s is another run's by now, or its lock was removed: this run ends", lock.parent)
                ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as in the background of a script
                ending = signal.SIGTERM if ignored else signal.SIGINT
                signal.pthread_kill(threading.main_thread().ident or 0, ending)  # whatever that waits for
                return
            os.utime(lock)


def _machine() -> str:
    """Within what a pid names one process; where the system does not say so, the host's name must do."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{os.uname().nodename} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return os.uname().nodename
