"""The M-Bus link layer: master and meter over a wire in bit times; the frames are those of the standard."""

from __future__ import annotations

import pytest

from protocols.errors import ProtocolError
from protocols.mbus.address import (
    SecondaryAddress,
    decode_maker,
    decode_selection,
    encode_maker,
    encode_selection,
    parse_secondary,
)
from protocols.mbus.frames import Ack, LongFrame, ShortFrame, encode_frame
from protocols.mbus.link import (
    CI_SEND,
    REQ_UD2,
    SND_NKE,
    MeterLink,
    MeterStation,
    Timing,
    answer_window_s,
    deselect,
    selection,
    strip_echo,
)
from tests.protocols.mbus_wire import BAUD, TIMING, Wire, make_loop, make_station, telegram

KAM = "12345678.KAM.1B.04"
SECONDARY = parse_secondary(KAM)


def link(primary: int = 5, secondary: SecondaryAddress | None = None) -> MeterLink:
    return MeterLink(primary, secondary, TIMING)


def hexes(wire: Wire) -> list[str]:
    return [data.hex(" ") for data in wire.sent]


def volume(frame: LongFrame) -> int:
    return int.from_bytes(frame.data[-4:], "little")


def test_a_meter_is_reset_once_and_then_asked_with_the_bit_toggling() -> None:
    wire, master = Wire(make_loop(make_station(KAM, 5))), link()
    wire.run(master.begin())
    volumes = [volume(wire.run(master.ask())) for _ in range(3)]
    assert volumes == [0, 1000, 2000], "each answered request brings a new telegram"
    assert hexes(wire) == ["10 40 05 45 16", "10 7b 05 80 16", "10 5b 05 60 16", "10 7b 05 80 16"]


def test_a_repeated_bit_brings_the_same_telegram_again() -> None:
    station = make_station(KAM, 5)
    first = station.receive_frame(ShortFrame(REQ_UD2 | 0x20, 5))
    assert station.receive_frame(ShortFrame(REQ_UD2 | 0x20, 5)) == first
    assert station.receive_frame(ShortFrame(REQ_UD2, 5)) != first
    station.receive_frame(ShortFrame(SND_NKE, 5))
    again = station.receive_frame(ShortFrame(REQ_UD2, 5))
    assert again not in (None, first), "after a reset nothing counts as repeated"


def test_a_lost_answer_is_asked_for_again_and_nothing_is_lost_or_doubled() -> None:
    lost = iter([False, True, False, False])
    wire = Wire(make_loop(make_station(KAM, 5)), damage=lambda data: b"" if next(lost) else data)
    master = link()
    wire.run(master.begin())
    assert volume(wire.run(master.ask())) == 0, "the meter sent its first telegram twice"
    assert volume(wire.run(master.ask())) == 1000
    assert hexes(wire)[1:] == ["10 7b 05 80 16", "10 7b 05 80 16", "10 5b 05 60 16"]


def test_several_telegrams_come_one_after_the_other_and_then_begin_anew() -> None:
    wire, master = Wire(make_loop(make_station(KAM, 5, telegrams=3))), link()
    wire.run(master.begin())
    assert [volume(wire.run(master.ask())) for _ in range(4)] == [0, 1, 2, 3000]
    wire.run(master.begin())
    assert volume(wire.run(master.ask())) == 6000, "a reset begins with the first one again"
    wire.run(master.ask())
    wire.run(master.reset_application())
    assert volume(wire.run(master.ask())) == 9000, "so does an application reset"


def test_a_meter_is_selected_by_its_secondary_address_and_answers_as_253() -> None:
    others = [make_station("12345678.ELS.1B.04", 5), make_station("12345679.KAM.1B.04", 5)]
    wire, master = Wire(make_loop(make_station(KAM, 5), *others)), link(0, SECONDARY)
    wire.run(master.begin())
    assert wire.run(master.ask()).data[:8] == encode_selection(SECONDARY)
    assert hexes(wire) == ["68 0b 0b 68 53 fd 52 78 56 34 12 2d 2c 1b 04 2e 16", "10 7b fd 78 16"]


def test_a_selection_deselects_all_that_do_not_match() -> None:
    one, two = make_station(KAM), make_station("87654321.ELS.03.07")
    wire = Wire(make_loop(one, two))
    wire.run(link(0, SECONDARY).begin())
    assert (one.is_selected, two.is_selected) == (True, False)
    wire.run(link(0, two.secondary).begin())
    assert (one.is_selected, two.is_selected) == (False, True)
    wire.run(deselect(TIMING))
    assert not two.is_selected


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (SecondaryAddress(), True),
        (SecondaryAddress("FFFFFF78"), True),
        (SecondaryAddress("1F345678", "KAM", 0x1B, 4), True),
        (SecondaryAddress("FFFFFF79"), False),
        (SecondaryAddress("12345678", "ELS"), False),
        (SecondaryAddress(version=0x1C), False),
        (SecondaryAddress(medium=7), False),
        (SecondaryAddress(fabrication="0000001F"), True),
        (SecondaryAddress(fabrication="00000021"), False),
    ],
)
def test_wildcards_match_digit_by_digit_and_part_by_part(wanted: SecondaryAddress, *, matches: bool) -> None:
    station = make_station(KAM, fabrication="00000012")
    assert decode_selection(encode_selection(wanted)) == wanted
    assert (station.receive_frame(selection(wanted)) == Ack()) == matches


def test_254_is_answered_by_everybody_and_255_by_nobody() -> None:
    station = make_station(KAM, 5)
    assert station.receive_frame(ShortFrame(SND_NKE, 254)) == Ack()
    assert isinstance(station.receive_frame(ShortFrame(REQ_UD2 | 0x20, 254)), LongFrame)
    assert station.receive_frame(ShortFrame(SND_NKE, 255)) is None
    assert station.receive_frame(ShortFrame(SND_NKE, 6)) is None
    assert station.receive_frame(ShortFrame(SND_NKE, 253)) is None, "nobody selected it"


def test_data_is_confirmed_and_a_meter_without_an_alarm_says_so_in_one_byte() -> None:
    wire, master = Wire(make_loop(make_station(KAM, 5))), link()
    wire.run(master.begin())
    wire.run(master.send(CI_SEND, b"\x01\x7a\x07"))
    assert wire.run(master.ask_alarm()) is None
    assert hexes(wire)[1:] == ["68 06 06 68 73 05 51 01 7a 07 4b 16", "10 5a 05 5f 16"]


def test_the_rate_changes_on_both_sides_or_on_none() -> None:
    station = make_station(KAM, 5)
    wire, master = Wire(make_loop(station)), link()
    wire.run(master.begin())
    wire.run(master.set_baud(9600, BAUD))
    assert (station.baud, wire.baud) == (9600, 9600)
    assert volume(wire.run(master.ask())) == 0

    stubborn = make_station(KAM, 5)
    wire = Wire(make_loop(stubborn))
    master = link()
    wire.run(master.begin())
    keep_rate(stubborn)
    with pytest.raises(ProtocolError, match=r"mbus\.silent"):
        wire.run(master.set_baud(9600, BAUD))
    assert wire.baud == BAUD
    with pytest.raises(ValueError, match="no rate of 115200"):
        next(master.set_baud(115_200, BAUD))


def keep_rate(station: MeterStation) -> None:
    """As a meter that confirms everything and knows one rate only."""
    answer = station.receive_frame
    station.receive_frame = lambda frame: (answer(frame), setattr(station, "baud", BAUD))[0]  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("echo", "name"),
    [(lambda sent: sent, "whole"), (lambda sent: sent[2:], "cut"), (lambda sent: sent[:-1], "broken off")],
)
def test_an_echo_is_taken_off_whole_or_in_part(echo, name: str) -> None:  # noqa: ANN001
    wire, master = Wire(make_loop(make_station(KAM, 5)), echo=echo), link(0, SECONDARY)
    wire.run(master.begin(attempts=1))
    assert volume(wire.run(master.ask(attempts=1))) == 0, name


def test_an_echo_alone_is_no_answer() -> None:
    wire = Wire(make_loop(), echo=lambda sent: sent)
    with pytest.raises(ProtocolError, match=r"mbus\.silent"):
        wire.run(link().begin())


def test_what_was_sent_is_told_from_what_came() -> None:
    sent = encode_frame(selection(SecondaryAddress("000000E5")))
    assert strip_echo(sent, sent + b"\xe5") == b"\xe5"
    assert strip_echo(sent, sent[5:] + b"\xe5") == b"\xe5", "an E5 inside of the echo is none"
    assert strip_echo(sent, b"\xe5") == b"\xe5"
    assert strip_echo(sent, b"") == b""


def test_silence_is_told_apart_from_noise_and_costs_three_attempts_with_pauses() -> None:
    wire = Wire(make_loop())
    with pytest.raises(ProtocolError, match="is the meter on this loop"):
        wire.run(link().begin())
    assert hexes(wire) == ["10 40 05 45 16"] * 3
    window_bits = round(answer_window_s(BAUD) * BAUD)
    assert wire.now_bits == 3 * (55 + window_bits) + 2 * window_bits


def test_two_meters_at_one_address_are_no_answer() -> None:
    wire = Wire(make_loop(make_station(KAM, 5), make_station("11111111.ELS.03.07", 5)))
    master = link()
    wire.run(master.begin())
    with pytest.raises(ProtocolError):
        wire.run(master.ask())


def test_the_telegram_before_over_again_is_a_late_answer_and_not_taken() -> None:
    wire, master = Wire(make_loop(make_station(KAM, 5))), link()
    wire.run(master.begin())
    first = encode_frame(wire.run(master.ask()))
    wire.damage = lambda data: first + data
    assert volume(wire.run(master.ask())) == 1000


def test_a_telegram_of_another_meter_is_not_taken() -> None:
    stray = encode_frame(telegram(SecondaryAddress("99999999", "ELS", 1, 7), 6, 0, 77))
    wire, master = Wire(make_loop(make_station(KAM, 5))), link()
    wire.run(master.begin())
    wire.damage = lambda data: stray + data
    assert volume(wire.run(master.ask())) == 0


def test_a_link_that_was_not_begun_or_cannot_be_refuses() -> None:
    with pytest.raises(ValueError, match=r"begin\(\) comes first"):
        next(link().ask())
    with pytest.raises(ValueError, match="primary address 251"):
        MeterLink(251, None, Timing(0.1))


def test_secondary_addresses_are_read_and_written() -> None:
    assert str(SECONDARY) == KAM
    assert parse_secondary("12345678") == SecondaryAddress("12345678")
    assert str(SecondaryAddress("1234567F", fabrication="00000001")) == "1234567F.*.*.*+00000001"
    for wrong in ("1234567", "1234567F", "12345678.KAM", "12345678.KA1.1B.04", "12345678.KAM.FF.04", ""):
        with pytest.raises(ValueError, match=r"right is 12345678\.KAM\.1B\.04"):
            parse_secondary(wrong)
    assert decode_maker(encode_maker("KAM")) == "KAM"
    assert encode_maker("KAM") == 0x2C2D
