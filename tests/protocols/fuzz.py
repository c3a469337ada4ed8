"""Mutated telegrams for every codec: nothing may come out but values or ProtocolError, in linear time.

A codec's test gives seeds (recorded and own telegrams) and a `decode`: bytes in, a list of what was found
out. Whoever needs a failure again takes EDGE_SEED and the hexadecimal input from the message.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from protocols.errors import ProtocolError

INPUTS_SHORT = 3_000
INPUTS_PROOF = 1_000_000
SEED_BYTES_MAX = 800  # longer ones are cut into pieces, so that a million inputs end in minutes

Decode = Callable[[bytes], Iterable[object]]


def mutants(seeds: Sequence[bytes], rng: random.Random, count: int) -> Iterator[bytes]:
    """`count` inputs: whole seeds or pieces of them, with one to four damages each."""
    for _ in range(count):
        data = bytearray(_piece(rng.choice(seeds), rng))
        for _ in range(rng.randint(1, 4)):
            rng.choice(DAMAGES)(data, rng, seeds)
        yield bytes(data)


def _piece(seed: bytes, rng: random.Random) -> bytes:
    if len(seed) <= SEED_BYTES_MAX:
        return seed
    start = rng.choice((0, rng.randrange(len(seed) - SEED_BYTES_MAX)))
    return seed[start : start + SEED_BYTES_MAX]


def _flip(data: bytearray, rng: random.Random, seeds: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _replace(data: bytearray, rng: random.Random, seeds: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice((0x00, 0xFF, 0x7F, 0x80, rng.randrange(256)))


def _insert(data: bytearray, rng: random.Random, seeds: Sequence[bytes]) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = rng.randbytes(rng.randint(1, 6))


def _delete(data: bytearray, rng: random.Random, seeds: Sequence[bytes]) -> None:
    at = rng.randint(0, len(data))
    del data[at : at + rng.randint(1, 8)]


def _truncate(data: bytearray, rng: random.Random, seeds: Sequence[bytes]) -> None:
    del data[rng.randint(0, len(data)) :]


def _double(data: bytearray, rng: random.Random, seeds: Sequence[bytes]) -> None:
    """A stretch comes twice, or many times: what loops without progress is found so."""
    at = rng.randint(0, len(data))
    data[at:at] = data[at : at + rng.randint(1, 20)] * rng.choice((1, 1, 1, 8))


def _splice(data: bytearray, rng: random.Random, seeds: Sequence[bytes]) -> None:
    """The end of another telegram behind the beginning of this one, as after a joined stream."""
    other = _piece(rng.choice(seeds), rng)
    del data[rng.randint(0, len(data)) :]
    data += other[rng.randint(0, len(other)) :]


DAMAGES = (_flip, _replace, _insert, _delete, _truncate, _double, _splice)


def fuzz(decode: Decode, seeds: Sequence[bytes], seed: int, count: int, *values: type) -> Counter[str]:
    """How often what came out: the names of `values` types, error codes, and "nothing"."""
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    for data in mutants(seeds, rng, count):
        try:
            found = list(decode(data))
        except ProtocolError as error:
            found = [error]
        except Exception as error:
            raise AssertionError(f"{error!r} for {data.hex()}") from error
        for item in found:
            assert isinstance(item, (ProtocolError, *values)), f"{item!r} for {data.hex()}"
            outcomes[item.code if isinstance(item, ProtocolError) else type(item).__name__] += 1
        outcomes["nothing"] += not found
    return outcomes


def assert_linear_time(decode: Decode, patterns: Iterable[bytes], *, size_bytes: int = 1_000_000) -> None:
    """Four times the input takes about four times as long, up to `size_bytes`; room for a loaded machine."""

    def seconds(data: bytes) -> float:
        start = time.perf_counter()
        list(decode(data))
        return time.perf_counter() - start

    for pattern in patterns:
        quarter = pattern * max(1, size_bytes // 4 // len(pattern))  # holds a whole one, however long it is
        small = min(seconds(quarter) for _ in range(2))
        large = seconds(4 * quarter)
        assert large < 12 * small + 0.5, f"{small:.3f} s, then {large:.3f} s: {pattern[:80]!r}"
