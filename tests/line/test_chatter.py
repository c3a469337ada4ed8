"""Others talk on the line while an answer is late: their frames are no sign that the meter has answered."""

from __future__ import annotations

import struct

import pytest

from edge_agent.line import LineCorrupt, LineDriver, PartySuspect
from hal.board import open_port
from hal.sim.line import Device, LineFaults, SimLine
from protocols.modbus.ascii import AsciiExchange, AsciiServer, encode_frame
from protocols.modbus.pdu import ReadRequest
from protocols.modbus.rtu import RtuExchange, RtuServer, add_crc

REGISTERS = 10
OTHER = 77
OTHERS_PDU = bytes((3, 2 * REGISTERS)) + bytes(2 * REGISTERS)


class Chatter:
    """Unit 1 answers, and unit 77 answers each request, too; `late` holds unit 1's word back."""

    def __init__(self, server: type[RtuServer | AsciiServer]) -> None:
        self.ascii = server is AsciiServer
        self.late = False
        self.held: list[bytes] = []
        self.asked = 0
        self._server: Device = server(self._answer)

    def receive_data(self, data: bytes) -> list[bytes]:
        frames = self._server.receive_data(data)
        if not frames:
            return []
        other = encode_frame(OTHER, OTHERS_PDU) if self.ascii else add_crc(bytes((OTHER,)) + OTHERS_PDU)
        if self.late:
            self.held += frames
            return [other]
        return [other, *frames]

    def _answer(self, _unit: int, read: ReadRequest) -> bytes:
        self.asked += 1
        return struct.pack(">HH", read.address, self.asked) + bytes(2 * read.count - 4)


@pytest.mark.parametrize("server", [RtuServer, AsciiServer])
async def test_a_late_answer_behind_the_frame_of_another_unit_is_never_taken_for_a_new_one(
    server: type[RtuServer | AsciiServer],
) -> None:
    device = Chatter(server)
    make = AsciiExchange if device.ascii else RtuExchange
    async with SimLine(device, baud=115_200, faults=LineFaults(), turnaround_s=0.001) as line:
        port = await open_port(f"serial://{line.path}", baud=115_200)
        driver = LineDriver(port, silence_s=0.002, late_answer_s=60.0)
        data = await driver.exchange(make(1, ReadRequest(3, 100, REGISTERS)), 0.3)
        assert struct.unpack_from(">HH", data) == (100, 1)
        device.late = True
        with pytest.raises(LineCorrupt) as corrupt:
            await driver.exchange(make(1, ReadRequest(3, 200, REGISTERS)), 0.1)
        assert not corrupt.value.answered
        assert device.asked == 2  # not asked once more: two answers would be on their way
        with pytest.raises(PartySuspect):
            await driver.exchange(make(1, ReadRequest(3, 300, REGISTERS)), 0.1)
        await driver.close()
