"""Requests: every point within the limits, and no more of them than slower judges find. What a device refuses
is found by few questions, and only that is left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from config.catalogue import REGISTERS_OF_SCALE, catalogue, point_span, register_count
from config.profile import Identity, Limits, Point, ScaleRegister
from edge_agent.poll_plan import RegisterBlock, Span, block_of, plan_requests, search_refused, span_of

TYPES = ("u16", "u32", "u64")


def point(address: int, kind: str = "u16", table: str = "input", scale: int | None = None) -> Point:
    register = None if scale is None else ScaleRegister(address=scale)
    shape = {"quantity": f"{table} {address} {kind} {scale}", "unit": "V", "evidence": ""}
    return Point(table=table, address=address, type=kind, scale_register=register, **shape)  # type: ignore[arg-type]


def registers(wanted: Point | Identity) -> set[int]:
    """Those that hold something: of the value and of its scale, not what lies between."""
    size = 1 if wanted.table in ("coil", "discrete") else register_count(wanted)
    found = set(range(wanted.address, wanted.address + size))
    if isinstance(wanted, Point) and (scale := wanted.scale_register) is not None:
        found |= set(range(scale.address, scale.address + REGISTERS_OF_SCALE[scale.type]))
    return found


class Judge:
    """Which points may be asked for in one request, from single registers and in no hurry."""

    def __init__(
        self, known: Sequence[Point | Identity], limits: Limits, refused: Sequence[Span] = ()
    ) -> None:
        self._limits = limits
        self._refused = refused
        self._known = {table: set[int]() for table in ("coil", "discrete", "holding", "input")}
        for item in known:
            self._known[item.table] |= registers(item)

    def allows(self, points: Sequence[Point]) -> bool:
        (table,) = {item.table for item in points}
        covered = set[int]().union(*(registers(item) for item in points))
        first, last = min(covered), max(covered) + 1
        scale = 16 if table in ("coil", "discrete") else 1
        unknown = "".join(" x"[address not in self._known[table]] for address in range(first, last))
        longest = max(map(len, unknown.split()), default=0)
        return (
            last - first <= self._limits.registers_max * scale
            and longest <= self._limits.gap_registers_max * scale
            and not any(s.table == table and first <= s.first and s.last <= last for s in self._refused)
        )


def partitions(items: Sequence[Point]) -> Iterator[list[list[Point]]]:
    """Every way to put the points into requests."""
    if not items:
        yield []
        return
    first, *rest = items
    for parts in partitions(rest):
        yield [[first], *parts]
        for place in range(len(parts)):
            yield [*parts[:place], [first, *parts[place]], *parts[place + 1 :]]


def fewest(points: Sequence[Point], judge: Judge) -> int:
    """By trying every way."""
    return min(len(parts) for parts in partitions(points) if all(map(judge.allows, parts)))


def apart(points: Sequence[Point], judge: Judge) -> list[Point]:
    """Points of which no two can be asked together: so many requests are needed at least."""
    chosen: list[Point] = []
    for item in sorted(points, key=point_span):
        if all(other.table != item.table or not judge.allows([other, item]) for other in chosen):
            chosen.append(item)
    return chosen


@st.composite
def tables(draw: st.DrawFn) -> list[Point]:
    """Up to 7 points of a table, side by side, over each other, with scale registers before and after."""
    table = draw(st.sampled_from(["input", "coil"]))
    made = {}
    for _ in range(draw(st.integers(1, 7))):
        kind = "u16" if table == "coil" else draw(st.sampled_from(TYPES))
        scale = draw(st.none() | st.integers(0, 24)) if table == "input" else None
        item = point(draw(st.integers(0, 24 if table == "input" else 400)), kind, table, scale)
        made[item.quantity] = item
    return list(made.values())


LIMITS = st.builds(Limits, registers_max=st.integers(4, 25), gap_registers_max=st.integers(0, 6))
REFUSED = st.lists(
    st.builds(lambda first, size: Span("input", first, first + size), st.integers(0, 24), st.integers(2, 8)),
    max_size=2,
)


@given(tables(), st.data(), LIMITS, REFUSED)
def test_no_way_to_cover_the_points_needs_fewer_requests(
    known: list[Point], data: st.DataObject, limits: Limits, refused: list[Span]
) -> None:
    while unfit := [p for p in known if not Judge(known, limits).allows([p])]:
        known = [p for p in known if p not in unfit]  # check-profile refuses scale registers that far away
    judge = Judge(known, limits, refused)
    wanted = [p for p in known if judge.allows([p]) and data.draw(st.booleans())]
    blocks = plan_requests(wanted, limits, [span_of(p) for p in known], refused)
    assert sorted((p for b in blocks for p in b.points), key=repr) == sorted(wanted, key=repr)
    for block in blocks:
        assert block == block_of(block.points)  # begins and ends with what is wanted
        assert judge.allows(block.points)
    assert len(blocks) == fewest(wanted, judge)


def test_points_that_overlap_are_read_together() -> None:
    (block,) = plan_requests([point(10, "f64"), point(11), point(12, "u32")], Limits(registers_max=4))
    assert (block.address, block.count) == (10, 4)


def test_what_lies_between_and_is_documented_is_read_through() -> None:
    wanted, between = [point(10), point(14)], [point(11), point(12, "u32")]
    assert len(plan_requests(wanted, Limits())) == 2
    (block,) = plan_requests(wanted, Limits(), [span_of(p) for p in between])
    assert (block.address, block.count, block.points) == (10, 5, tuple(wanted))


def test_known_meters_need_these_requests() -> None:
    known = catalogue()
    spans = {
        name: [(b.address, b.count) for b in plan_requests(known[name].points, known[name].limits)]
        for name in ("eastron-sdm630", "abb-b23", "siemens-pac2200")
    }
    assert spans == {
        "eastron-sdm630": [(0, 80), (224, 26), (342, 40)],
        "abb-b23": [(20480, 8), (21600, 24), (23296, 28), (23340, 1), (23354, 4)],
        "siemens-pac2200": [(1, 42), (55, 16), (801, 16)],
    }


class Strict:
    """A device that refuses registers it lacks, and more at once than it likes."""

    def __init__(self, lacks: set[int], size_max: int) -> None:
        self.lacks = lacks
        self.size_max = size_max
        self.asked = 0

    def refuses(self, block: RegisterBlock) -> bool:
        self.asked += 1
        covered = range(block.address, block.address + block.count)
        return block.count > self.size_max or not self.lacks.isdisjoint(covered)


def found(points: Sequence[Point], refuses: Callable[[RegisterBlock], bool]) -> tuple[Point, ...]:
    """What the search says."""
    search = search_refused(points)
    try:
        block = next(search)
        while True:
            block = search.send(refuses(block))
    except StopIteration as end:
        run: tuple[Point, ...] = end.value
        return run


@given(tables(), st.sets(st.integers(0, 30), max_size=4), st.integers(1, 25))
def test_the_search_finds_a_least_run_that_is_refused_in_few_questions(
    points: list[Point], lacks: set[int], size_max: int
) -> None:
    device = Strict(lacks, size_max)
    if not device.refuses(block_of(points)):
        return
    device.asked = 0
    run = found(points, device.refuses)
    assert device.asked <= 2 * math.ceil(math.log2(len(points))) if len(points) > 1 else not device.asked
    assert device.refuses(block_of(run))
    assert len(run) == 1 or not (device.refuses(block_of(run[1:])) or device.refuses(block_of(run[:-1])))


@given(tables(), st.sets(st.integers(0, 30), max_size=4), st.integers(4, 25), LIMITS)
def test_in_the_end_all_is_read_that_the_device_has_in_no_more_requests_than_that_takes(
    points: list[Point], lacks: set[int], size_max: int, limits: Limits
) -> None:
    """Search after search, as a worker does."""
    device = Strict(lacks, size_max)
    refused: list[Span] = []
    while True:
        readable = [p for p in points if not any(_within(span, span_of(p)) for span in refused)]
        blocks = plan_requests(readable, limits, (), refused)
        bad = next((block for block in blocks if device.refuses(block)), None)
        if bad is None:
            break
        block = block_of(found(bad.points, device.refuses))
        refused.append(Span(block.table, block.address, block.address + block.count))
        assert len(refused) <= len(points) ** 2
    assert readable == [p for p in points if not device.refuses(block_of([p]))]


def _within(inner: Span, outer: Span) -> bool:
    return outer.first <= inner.first and inner.last <= outer.last
