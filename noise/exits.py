"""Other people's code must not end our process: a run that stops half-way with exit code 0 looks like a success."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def staying(what: str) -> Iterator[None]:
    """Run code of others, which may neither `sys.exit` nor `os._exit`.

    Args:
        what: what the error calls the code.

    Raises:
        ValueError: it tried to.
    """
    leave, own = os._exit, os.getpid()

    def refused(status: int) -> NoReturn:
        """Nothing could catch the true `os._exit`; a forked child may end as ever."""
        if os.getpid() != own:
            leave(status)
        raise SystemExit(status)

    os._exit = refused
    try:
        yield
    except SystemExit as error:
        raise ValueError(f"{what}: ends the process (exit code {error.code}); take the exit out") from error
    finally:
        os._exit = leave
