"""`edgectl status`: the gateway on one page, worst first.

Faults stand on top, one block for each code, each with what was measured and the next step. Meters that
are fine fold into a count where there are many.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from edge_agent.reports import (
    BufferStatus,
    ClockStatus,
    FaultReport,
    LineStatus,
    LinkStatus,
    MeterStatus,
    StatusReport,
)
from edgectl.screen import (
    BAD,
    DOUBTFUL,
    GOOD,
    duration_text,
    indented,
    make_table,
    size_text,
    step_text,
    utc_text,
)
from edgectl.texts import Words, fault_rank

SUBJECTS_SHOWN_MAX = 3
FINE_METERS_SHOWN_MAX = 8
PROMPT_LINES = 1
STALE_INTERVALS = 3  # this many intervals without a good reading make a meter stand out


def show_status(console: Console, words: Words, status: StatusReport, *, every_meter: bool) -> None:
    """Print the page. On a terminal that it does not fit, what is fine folds away, and the end names the
    faults again, because the worst has scrolled out of sight."""
    page = list(_page(words, status, FINE_METERS_SHOWN_MAX if not every_meter else len(status.meters)))
    if console.is_terminal and not every_meter and _height(console, page) > console.height - PROMPT_LINES:
        page = list(_page(words, status, 0))
        if status.faults and _height(console, page) > console.height - PROMPT_LINES:
            page.append(_scroll_hint(words, status.faults))
    console.print(Group(*page))


def _page(words: Words, status: StatusReport, fine_shown_max: int) -> Iterator[RenderableType]:
    yield _title(words, status)
    yield from _fault_blocks(words, status.faults)
    yield Text("")
    yield from _meters(words, status.meters, fine_shown_max)
    lines = [line for line in status.lines if fine_shown_max or not line.open]
    if lines:
        yield Text("")
        yield _lines(words, lines)
    yield Text("")
    yield _foot(words, status)


def _height(console: Console, page: list[RenderableType]) -> int:
    return len(console.render_lines(Group(*page)))


def _scroll_hint(words: Words, faults: list[FaultReport]) -> Text:
    ordered = sorted(faults, key=lambda fault: fault_rank(fault.code))
    shown = ", ".join(f"{fault.code} {fault.subject}" for fault in ordered[:SUBJECTS_SHOWN_MAX])
    return Text(words("status.above", count=len(faults), faults=shown), BAD)


def _title(words: Words, status: StatusReport) -> Table:
    count = len(status.faults)
    verdict = (
        words("status.fine")
        if not count
        else words("status.fault" if count == 1 else "status.faults", count=count)
    )
    about = words(
        "status.agent", version=status.version, boot=status.boot, uptime=duration_text(status.uptime_ms)
    )
    title = Table.grid(expand=True, padding=(0, 1))
    title.add_column(ratio=1)
    title.add_column(justify="right", no_wrap=True)
    title.add_row(
        Text.assemble((status.gateway, "bold"), "  ", (about, "dim")), Text(verdict, BAD if count else GOOD)
    )
    return title


def _fault_blocks(words: Words, faults: list[FaultReport]) -> Iterator[RenderableType]:
    """Each code once, worst first; within a code the one that holds longest first."""
    by_code: dict[str, list[FaultReport]] = {}
    for fault in sorted(faults, key=lambda fault: (fault_rank(fault.code), -fault.age_ms)):
        by_code.setdefault(fault.code, []).append(fault)
    for code, alike in by_code.items():
        text = words.fault(code)
        yield Text("")
        yield Text.assemble((code, BAD), "  ", (text.meaning, "bold"))
        for fault in alike[:SUBJECTS_SHOWN_MAX]:
            since = words("status.for", duration=duration_text(fault.age_ms))
            yield indented(Text.assemble((fault.subject, "bold"), f" {since}: {fault.evidence}"))
        if rest := alike[SUBJECTS_SHOWN_MAX:]:
            subjects = ", ".join(fault.subject for fault in rest)
            yield indented(words("status.more", count=len(rest), subjects=subjects))
        if text.step:
            yield step_text(text.step)


def meter_rank(meter: MeterStatus) -> int:
    """0: a wrong device, 1: nothing, 2: silent, 3: old values, 4: fine."""
    if meter.identity == "mismatch":
        return 0
    if meter.last_good_age_ms is None:
        return 1
    if meter.silent_for_ms is not None:
        return 2
    return 3 if meter.last_good_age_ms > STALE_INTERVALS * meter.interval_s * 1_000 else 4


def _meters(words: Words, meters: list[MeterStatus], fine_shown_max: int) -> Iterator[RenderableType]:
    ordered = sorted(meters, key=lambda meter: (meter_rank(meter), -(meter.silent_for_ms or 0)))
    bad = sum(meter_rank(meter) < 4 for meter in meters)
    shown = ordered[: bad + fine_shown_max]
    table = make_table(
        (words("head.meter"), "left"),
        (words("head.line"), "left"),
        (words("head.address"), "right"),
        (words("head.age"), "right"),
        (words("head.value"), "right"),
        (words("head.serial"), "left"),
    )
    for meter in shown:
        style = BAD if meter_rank(meter) < 3 else DOUBTFUL if meter_rank(meter) == 3 else ""
        identity = Text(words.known(f"identity.{meter.identity}", meter.identity), _identity_style(meter))
        age, value = Text(_age(words, meter), style), _headline(words, meter)
        address = meter.secondary or str(meter.address)
        table.add_row(Text(meter.id, style), meter.line, address, age, value, identity)
    if shown:
        yield table
    if folded := len(ordered) - len(shown):
        yield Text(words("status.meters-fine", count=folded), "dim")
    for meter in meters:
        if (known := meter.exchange) is not None:
            serials = {"old": known.old_serial or "?", "new": known.new_serial}
            yield Text(words("status.exchanged", meter=meter.id, **serials), DOUBTFUL)
    if unverified := {meter.id: meter.unverified for meter in meters if meter.unverified}:
        names = ", ".join(list(unverified)[:SUBJECTS_SHOWN_MAX])
        names += ", ..." if len(unverified) > SUBJECTS_SHOWN_MAX else ""
        yield Text(words("status.unverified", count=sum(unverified.values()), meters=names), "dim")


def _identity_style(meter: MeterStatus) -> str:
    return {"mismatch": BAD, "verified": ""}.get(meter.identity, "dim")


def _age(words: Words, meter: MeterStatus) -> str:
    if meter.silent_for_ms is not None:
        return words("meter.silent", duration=duration_text(meter.silent_for_ms))
    return words("meter.never") if meter.last_good_age_ms is None else duration_text(meter.last_good_age_ms)


def _headline(words: Words, meter: MeterStatus) -> str:
    """The profile's first value that is there: a meter's main counter as a rule."""
    for value in meter.values:
        if value.value is not None:
            return f"{words.decimal(value.value)} {value.unit}"
    return "-"


def _lines(words: Words, lines: list[LineStatus]) -> Table:
    table = make_table(
        (words("head.line"), "left"),
        (words("head.state"), "left"),
        (words("head.exchanges"), "right"),
        (words("head.timeouts"), "right"),
        (words("head.corrupt"), "right"),
        (words("head.noise"), "right"),
    )
    for line in sorted(lines, key=lambda line: line.open):
        state = Text(words("line.open"), GOOD) if line.open else Text(words("line.closed"), BAD)
        counts = (line.exchanges, line.timeouts, line.corrupt)
        table.add_row(line.id, state, *map(str, counts), size_text(line.noise_bytes))
    return table


def _foot(words: Words, status: StatusReport) -> Table:
    foot = Table.grid(padding=(0, 2, 0, 0))
    foot.add_column(style="dim", no_wrap=True)
    foot.add_column(overflow="fold")
    foot.add_row(words("label.buffer"), _buffer(words, status.buffer))
    foot.add_row(words("label.link"), _link(words, status.link))
    foot.add_row(words("label.clock"), _clock(words, status.clock, status.boot_ms))
    return foot


def _buffer(words: Words, buffer: BufferStatus) -> Text:
    percent = 100 * buffer.size_bytes // max(1, buffer.size_bytes_max)
    size, size_max = size_text(buffer.size_bytes), size_text(buffer.size_bytes_max)
    text = Text(words("buffer.size", size=size, size_max=size_max, percent=percent))
    flushed = words("buffer.never-flushed")
    if buffer.flush_age_ms is not None:
        flushed = words("buffer.flushed", duration=duration_text(buffer.flush_age_ms))
    text.append(f" · {flushed}\n")
    text.append(words("buffer.messages", unsent=buffer.messages_unsent, published=buffer.messages_published))
    if buffer.evicted_messages or buffer.dropped_readings:
        lost = words("buffer.lost", evicted=buffer.evicted_messages, dropped=buffer.dropped_readings)
        text.append(f"\n{lost}", BAD)
    return text


def _link(words: Words, link: LinkStatus) -> Text:
    if link.state_age_ms is None:
        text = Text(words("link.never", url=link.broker_url), DOUBTFUL)
    else:
        key, style = ("link.up", "") if link.connected else ("link.down", BAD)
        text = Text(words(key, duration=duration_text(link.state_age_ms), url=link.broker_url), style)
    return text.append(f"\n{_custody(words, link)}", "")


def _custody(words: Words, link: LinkStatus) -> str:
    """Who has what: by the backend's receipt, or only by the broker's word."""
    if link.free_on == "puback":
        if link.puback_age_ms is None:
            return words("link.no-puback")
        return words("link.puback", duration=duration_text(link.puback_age_ms))
    if link.receipt_age_ms is None or link.held_to is None:
        return words("link.no-receipt")
    return words("link.receipt", held_to=link.held_to, duration=duration_text(link.receipt_age_ms))


def _clock(words: Words, clock: ClockStatus, boot_ms: int) -> Text:
    if not clock.trusted or clock.offset_ms is None:
        return Text(words("clock.untrusted"), DOUBTFUL)
    uncertainty = duration_text(clock.uncertainty_ms or 0)
    utc = utc_text(boot_ms + clock.offset_ms)
    return Text(words("clock.trusted", utc=utc, uncertainty=uncertainty, source=clock.source))
