"""One SunSpec device: its points lie where its own chain of models says.

Rules:
- Series are those of the profile, whatever the device has: the dictionary is signed before it is asked. What
  it does not have is a null in every slot, NOT_SENT: the device answers, without this value. (What it leaves
  empty within a model that it has is NOT_AVAILABLE, as its pattern says.) A run of equal nulls costs next to
  nothing in a batch; `quantities` of the meter leaves them out.
- Before its models are known nothing is read; afterwards each request begins with the number and length of
  the model that it is read from, where those fit into it. If they are not the ones found, the chain has
  moved: nothing of that answer counts, and the chain is walked anew.
- A device that stays silent, instead of refusing, where it has nothing is asked at another base address the
  next time; the base where the chain was found comes first from then on.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from config.model import MeterConfig
from config.profile import DeviceProfile, Point
from config.sunspec import models_of, resolve, used_models
from edge_agent.poll_plan import RegisterBlock, Span
from edge_agent.readers import ModbusReader
from edge_agent.reading import Reading
from protocols.errors import ProtocolError
from protocols.sunspec import BASES, HEAD_REGISTERS, Model, Walk, find_models
from protocols.value import NullCause


class SunspecReader(ModbusReader):
    """A ModbusReader whose points lie nowhere before the device's models are known. `models`: those found.

    What the device does not have, or is not known to have, stands in a block of no registers: nothing is
    asked for it, and its answer is no data.
    """

    def __init__(self, profile: DeviceProfile, meter: MeterConfig, first_series: int) -> None:
        self._profile = profile
        self._bases: tuple[int, ...] = BASES
        self.models: tuple[Model, ...] = ()
        self._used: tuple[Model, ...] = ()
        self._placed: dict[str, Point] = {}
        super().__init__(profile, meter, first_series)

    def find(self) -> Walk | None:
        """The walk along the chain, at the start and after each loss; None while the models are known.

        It ends in ProtocolError("sunspec.models") where the device has none of the models that are read.
        """
        return None if self.models else self._walk()

    def forget(self) -> None:
        """The device was lost: its chain is walked anew before anything is read."""
        self.models = self._used = ()
        self._placed = {}
        self._lay_out(self._profile, self.points)

    def place(self, points: Sequence[Point]) -> Sequence[Point]:
        """The points as they lie in this device; those that it does not have as they are in the profile."""
        return [self._placed.get(point.quantity, point) for point in points]

    def plan(self, points: Sequence[Point], refused: Iterable[Span] = ()) -> tuple[RegisterBlock, ...]:
        """As ModbusReader, for points that were placed."""
        absent = tuple(point for point in points if point.models)
        gaps = list(refused)
        blocks = super().plan([point for point in points if not point.models], gaps)
        headed = tuple(self._with_head(block, gaps) for block in blocks)
        return (*headed, RegisterBlock("holding", 0, 0, absent)) if absent else headed

    def has_moved(self, block: RegisterBlock, data: bytes) -> bool:
        """Whether a model's number or length in the answer is another than was found."""
        return any(
            data[2 * place : 2 * place + 4] != struct.pack(">HH", model.id, model.length)
            for model in self._used
            if 0 <= (place := model.address - block.address) <= block.count - HEAD_REGISTERS
        )

    def decode(self, block: RegisterBlock, data: bytes, due_ms: int, time_ms: int) -> list[Reading]:
        """As ModbusReader; without registers, nulls for what the device does not have."""
        if not block.count:
            return self.nulls(due_ms, time_ms, NullCause.NOT_SENT, [block])
        return super().decode(block, data, due_ms, time_ms)

    def _walk(self) -> Walk:
        bases = self._bases
        self._bases = (*bases[1:], bases[0])  # unless a chain is found, another comes first the next time
        models = yield from find_models(bases)
        if models:
            found = models[0].address - HEAD_REGISTERS
            self._bases = (found, *(base for base in BASES if base != found))
        self._settle(models)
        return models

    def _settle(self, models: tuple[Model, ...]) -> None:
        device = resolve(self._profile, models)
        placed = {point.quantity: point for point in device.points}
        wanted = [placed[point.quantity] for point in self.points if point.quantity in placed]
        if not wanted:
            has = ", ".join(str(model.id) for model in models) or "none"
            wants = ", ".join(map(str, sorted(models_of(self._profile))))
            raise ProtocolError("sunspec.models", f"none of the models {wants}; the device has {has}")
        self.models = models
        self._used = used_models(wanted, models)
        self._placed = placed
        self._lay_out(device, self.place(self.points))

    def _with_head(self, block: RegisterBlock, refused: Sequence[Span]) -> RegisterBlock:
        """The block from the head of the model on in which it begins, where nothing between is refused."""
        for model in self._used:
            count = block.address + block.count - model.address
            begins_in = model.address < block.address < model.address + HEAD_REGISTERS + model.length
            crosses = any(model.address <= span.first < block.address for span in refused)
            if begins_in and not crosses and count <= self._limits.registers_max:
                return RegisterBlock(block.table, model.address, count, block.points)
        return block
