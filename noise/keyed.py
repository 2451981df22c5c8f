"""Randomness keyed by (seed, noise, image, repeat), never by call order.

Any partitioning, order, batch size or subset of a data set gives each image the same fields, and a level is not part
of the key: all levels of a curve share their fields (common random numbers).
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from noise import philox

Floats = NDArray[np.float32]
T = TypeVar("T")


class KeyedRandom:
    """The random fields of a batch of images: one independent field an image at each draw.

    The k-th draw is always the same field; `replay` starts over at the first, without computing anything again, so
    that one set of fields serves all levels.
    """

    def __init__(self, seed: int, noise: str, image_ids: Sequence[str], repeat: int = 0) -> None:
        prefix = f"{seed}/{noise}/{repeat}/"
        digests = b"".join(blake2b(f"{prefix}{image}".encode(), digest_size=16).digest() for image in image_ids)
        self._keys = np.frombuffer(digests, "<u4").astype(np.uint32).reshape(-1, 4)
        self._drawn: list[tuple[tuple[object, ...], NDArray[Any]]] = []
        self._made: dict[int, tuple[Any, int]] = {}
        self._next = 0

    def replay(self) -> None:
        """Go back to the first draw."""
        self._next = 0

    def normal(self, shape: Sequence[int]) -> Floats:
        """Independent N(0, 1), float32 of shape (N, *shape), read-only."""
        return self._field("normal", shape, philox.normal)

    def uniform(self, shape: Sequence[int]) -> Floats:
        """Independent and uniform on [0, 1), float32 of shape (N, *shape), read-only."""
        return self._field("uniform", shape, philox.uniform)

    def integers(self, low: int, high: int, shape: Sequence[int]) -> NDArray[np.int64]:
        """Independent and uniform on low, ..., high - 1, int64 of shape (N, *shape), read-only."""

        def between(words: NDArray[np.uint32]) -> NDArray[np.int64]:
            return low + ((words.astype(np.uint64) * np.uint64(high - low)) >> np.uint64(32)).astype(np.int64)

        return self._field(f"integers {low} {high}", shape, between)

    def once(self, make: Callable[[], T]) -> T:
        """What `make` computes from its own draws (it must draw), computed once for all levels: keep it unchanged."""
        start = self._next
        if start not in self._made:
            value = make()
            if self._next == start:
                raise ValueError("once: nothing was drawn; compute what is not random elsewhere, and cache it")
            self._made[start] = value, self._next
        value, self._next = self._made[start]
        return value

    def _field(
        self, kind: str, shape: Sequence[int], make: Callable[[NDArray[np.uint32]], NDArray[Any]]
    ) -> NDArray[Any]:
        asked = (kind, *shape)
        if self._next == len(self._drawn):
            size = prod(shape)
            words = philox.words(self._keys, self._next, -(-size // 4))
            values = make(words)[:, :size].reshape(len(self._keys), *shape)
            values.flags.writeable = False
            self._drawn.append((asked, values))
        known, values = self._drawn[self._next]
        if known != asked:
            raise ValueError(f"draw {self._next} was {known} at another level and is now {asked}: draws may not vary")
        self._next += 1
        return values
