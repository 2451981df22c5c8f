"""Counter-based random fields: Philox4x32-10 (Salmon and others 2011), compiled so that a CPU's vector units run it.

A field is a pure function of its key: no state, no order, no stream. Value `e` of a field of `4 b` words is word
`e // b` of block `e % b`, so that all loops run over neighbouring blocks.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Words = NDArray[np.uint32]
Floats = NDArray[np.float32]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_ROUNDS = 10

_PER_WORD = np.float32(2.0**-24)
_PER_TURN = np.float32(2.0**-31)
_LN2 = np.float32(np.log(2.0))
_EXPONENT_OF_2_32 = np.int32(127 + 32)

# Chebyshev fits: sin(pi t) = t (1 - s) S(s) and cos(pi t) = C(s) with s = t^2; ln(1 + y) = y L(y); s and y in [0, 1].
# Each is within 4e-7 of the function in float32.
_S = tuple(
    np.float32(c)
    for c in (3.14159264e00, -2.02611946e00, 5.24036151e-01, -7.51872631e-02, 6.86018693e-03, -3.85937535e-04)
)
_C = tuple(
    np.float32(c)
    for c in (
        *(9.99999989e-01, -4.93480112e00, 4.05869484e00, -1.33515843e00),
        *(2.35029808e-01, -2.53589836e-02, 1.59391068e-03),
    )
)
_L = tuple(
    np.float32(c)
    for c in (
        *(0.99999997, -0.49999502, 0.33319271, -0.2484437, 0.19111431),
        *(-0.1367477, 0.07836167, -0.02958851, 0.00525346),
    )
)


@njit(cache=True, inline="always")
def block_of(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> tuple[Any, Any, Any, Any]:
    """Ten rounds of Philox4x32 on a counter of four words under a key of two; words are kept in 64 bits."""
    for _ in range(_ROUNDS):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (p1 >> _HALF) ^ c1 ^ k0, p1 & _LOW, (p0 >> _HALF) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@njit(cache=True, inline="always")
def _polynomial(coefficients: Any, x: Any) -> Any:
    """Horner's rule, lowest coefficient first."""
    value = coefficients[len(coefficients) - 1]
    for power in range(len(coefficients) - 2, -1, -1):
        value = value * x + coefficients[power]
    return value


@njit(cache=True, boundscheck=False)
def words(keys: Words, draw: int, blocks: int) -> Words:
    """Random words for each key.

    Args:
        keys: (N, 4): two words of Philox key, two words of counter.
        draw: which field of this key, a word of the counter.
        blocks: blocks of four words a key.

    Returns:
        (N, 4 * blocks) uniform 32-bit words.
    """
    out = np.empty((keys.shape[0], 4 * blocks), np.uint32)
    for n in range(keys.shape[0]):
        k0, k1 = np.uint64(keys[n, 0]), np.uint64(keys[n, 1])
        c2, c3 = np.uint64(keys[n, 2]), np.uint64(keys[n, 3])
        row = out[n]
        for b in range(blocks):
            w0, w1, w2, w3 = block_of(np.uint64(b), np.uint64(draw), c2, c3, k0, k1)
            row[b] = w0
            row[blocks + b] = w1
            row[2 * blocks + b] = w2
            row[3 * blocks + b] = w3
    return out


@njit(cache=True, boundscheck=False)
def uniform(random_words: Words) -> Floats:
    """Words to float32 on [0, 1), in steps of 2^-24."""
    flat = random_words.reshape(-1)
    out = np.empty(flat.shape[0], np.float32)
    for e in range(flat.shape[0]):
        out[e] = np.float32(np.int32(flat[e] >> np.uint32(8))) * _PER_WORD
    return out.reshape(random_words.shape)


@njit(cache=True, boundscheck=False)
def normal(random_words: Words) -> Floats:
    """Words (N, 2 m) to float32 standard normals, by Box and Muller (1958); tails reach 6.6 deviations."""
    count, width = random_words.shape
    half = width // 2
    out = np.empty((count, width), np.float32)
    bits = np.empty(half, np.uint32)
    floats = bits.view(np.float32)
    exponent = np.empty(half, np.float32)
    for n in range(count):
        row, words_of = out[n], random_words[n]
        for e in range(half):
            floats[e] = np.float32(words_of[e]) + np.float32(0.5)
        for e in range(half):  # split 2^32 u into exponent and mantissa in [1, 2)
            exponent[e] = np.float32(np.int32(bits[e] >> np.uint32(23)) - _EXPONENT_OF_2_32)
            bits[e] = (bits[e] & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)
        for e in range(half):
            y = floats[e] - np.float32(1.0)
            minus_log = max(np.float32(0.0), -(exponent[e] * _LN2 + y * _polynomial(_L, y)))
            radius = np.sqrt(minus_log + minus_log)
            t = np.float32(np.int32(words_of[half + e])) * _PER_TURN
            s = t * t
            row[e] = radius * _polynomial(_C, s)
            row[half + e] = radius * (t * (np.float32(1.0) - s) * _polynomial(_S, s))
    return out
