r"""A simulated cellular modem that talks AT on one or more ports. No task, no clock: bytes in, bytes out.

    modem = SimModem(persona)
    modem.advance(now_s)                  -> [(port, bytes), ...] that became due
    modem.receive_data(b"AT+CSQ\r")      -> bytes at once; what takes time comes from a later `advance`

Rules:
- What a command answers is the persona's table first (data), then the handlers here, which are those of
  V.250 and
  TS 27.007 that change or tell the modem's state; all else is an error, as real modems do it.
- One command at a time on each port: what comes while one is under way is not heard.
- On CONNECT the port carries data until the host hangs up: bytes go to `carry`, and `deliver` brings the
  others.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Sequence
from typing import ClassVar, Final, NamedTuple

from hal.sim.modem_personas import Persona
from hal.sim.modem_state import Delays, ModemState, Network, Outage
from protocols.at.results import CME_TEXTS
from protocols.at.standard import Attachment, SimState
from protocols.cellular import Technology

LINE_BYTES_MAX = 1024
DUE_MAX = 256
PORTS_MAX = 8
IMEI_DEFAULT: Final = "490154203237518"  # the example of TS 23.003
IMSI_DEFAULT: Final = "262011234567890"
ICCID_DEFAULT: Final = "89490200001234567890"
READ_ICCID: Final = "176,12258,0,0,10"
VERIFY_PIN: Final = '10,"0020000100"'
UNBLOCK_PIN: Final = '10,"002C000100"'

_ACCESS: Final = {
    Technology.GSM: 0,
    Technology.UMTS: 2,
    Technology.LTE: 7,
    Technology.LTE_M: 8,
    Technology.NB_IOT: 9,
    Technology.NR_NSA: 13,
    Technology.NR_SA: 11,
}
_STATS: Final = {
    Attachment.IDLE: 0,
    Attachment.HOME: 1,
    Attachment.SEARCHING: 2,
    Attachment.DENIED: 3,
    Attachment.ROAMING: 5,
}
_SIM_ERRORS: Final = {SimState.MISSING: 10, SimState.PIN: 11, SimState.PUK: 12}
_SIM_CODES: Final = {SimState.READY: "READY", SimState.PIN: "SIM PIN", SimState.PUK: "SIM PUK"}
_NAMES: Final = {
    "+CGMI": "maker",
    "+GMI": "maker",
    "+CGMM": "model",
    "+GMM": "model",
    "+CGMR": "firmware",
    "+GMR": "firmware",
}
# Settings that are taken and change nothing that anyone sees here.
_ACCEPTED: Final = re.compile(
    r"(?:X|&C|&D|&F|&K|S0=|S7=)\d*|\+(?:IFC|CTZU|CTZR|CGEREP|CMER|CMGF|CSCS|CNMI|CPMS|CRC|CLIP|CCWA|CSSN)=(?!\?)"
)
_PARTS: Final = re.compile(r"""[+#!^*$%&]?[A-Z][A-Z0-9_]*(?:"[^"]*"|[^;"])*""", re.IGNORECASE)
_FORM: Final = re.compile(r"\A([+#!^*$%&]?[A-Z0-9_]*)(=\?|\?|=|)(.*)", re.IGNORECASE | re.DOTALL)
_BASIC: Final = re.compile(r"(?:S\d+=\d+|&?[A-Z]\d*)", re.IGNORECASE)


class Reply(NamedTuple):
    """`error`: None for OK, else a CME number. `result`: another final result, "" for none at all."""

    lines: Sequence[str] = ()
    error: int | None = None
    delay_s: float = 0.0
    result: str | None = None
    late: Sequence[str] = ()


class _Port:
    """What each port keeps for itself."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.has_echo = True
        self.is_verbose = True
        self.error_mode = 0
        self.reports: dict[str, int] = {}  # n of +CREG and its kin
        self.name_format = 0  # of +COPS?: 0 and 1 names, 2 a code
        self.is_busy = False
        self.context: int | None = None  # whose data the port carries


class _Request(NamedTuple):
    """One command: all of it, then its `=?`, `?`, `=` or nothing, and what follows."""

    port: _Port
    text: str
    operation: str
    argument: str


class SimModem:
    """See the module. `carry` gets the data that the network takes over."""

    def __init__(
        self,
        persona: Persona,
        *,
        network: Network | None = None,
        delays: Delays | None = None,
        ports: int = 1,
        pin: str | None = None,
        has_sim: bool = True,
        apn: str = "internet",
        outages: Sequence[Outage] = (),
        carry: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        if not 1 <= ports <= PORTS_MAX:
            raise ValueError(f"a modem has 1 to {PORTS_MAX} ports, not {ports}")
        self.persona = persona
        self.state = ModemState(
            (network or Network())._replace(technology=persona.technology),
            delays=delays or Delays(),
            pin=pin,
            has_sim=has_sim,
            apn=apn,
            outages=outages,
        )
        self._carry = carry
        self._ports = [_Port() for _ in range(ports)]
        self._due: list[tuple[float, int, int, bytes, bool]] = []
        self._order = 0
        self._enumeration = self.state.enumeration
        self._reported = self.state.attachment

    @property
    def ports(self) -> int:
        """How many it has."""
        return len(self._ports)

    @property
    def data_port(self) -> int | None:
        """The port that carries data, if one does."""
        return next((place for place, port in enumerate(self._ports) if port.context is not None), None)

    def next_due_s(self) -> float | None:
        """When `advance` has something to do next."""
        times = [
            time_s
            for time_s in (self.state.next_due_s(), self._due[0][0] if self._due else None)
            if time_s is not None
        ]
        return min(times, default=None)

    def advance(self, now_s: float) -> list[tuple[int, bytes]]:
        """What the modem says by `now_s`, by port and in order."""
        out: list[tuple[int, bytes]] = []
        while (due_s := self.next_due_s()) is not None and due_s <= now_s:
            self.state.advance(due_s)
            out += self._changes()
            while self._due and self._due[0][0] <= due_s:
                _, _, place, data, ends = heapq.heappop(self._due)
                self._ports[place].is_busy = self._ports[place].is_busy and not ends
                if self.state.is_listening:
                    out.append((place, data))
        self.state.advance(now_s)
        return out + self._changes()

    def receive_data(self, data: bytes, port: int = 0) -> bytes:
        """Bytes from the host; what the modem says to them at once, echo included."""
        end = self._ports[port]
        if not self.state.is_listening:
            end.buffer.clear()
            return b""
        if end.context is not None:
            if self.state.passes_data:
                self._carry(data)
            return b""
        out = bytearray()
        for byte in data:
            if end.is_busy:
                break
            if end.has_echo:
                out.append(byte)
            if byte == 0x0D:
                line, end.buffer = bytes(end.buffer), bytearray()
                out += self._line(line, port)
            elif byte != 0x0A and len(end.buffer) < LINE_BYTES_MAX:
                end.buffer.append(byte)
        self._changes_follow()
        return bytes(out)

    def deliver(self, data: bytes) -> bytes:
        """Data from the network; what of it reaches the host on `data_port`."""
        return data if self.data_port is not None and self.state.passes_data else b""

    def hang_up(self, port: int = 0) -> None:
        """The host drops DTR or sends its escape sequence: the port takes commands again."""
        end = self._ports[port]
        if end.context is not None:
            self.state.active.discard(end.context)
            end.context = None
        end.is_busy = False
        self._due = [entry for entry in self._due if entry[2] != port]
        heapq.heapify(self._due)

    # What happens by itself

    def _changes_follow(self) -> None:
        """Registration that changed by a command is told at the next `advance`."""
        if self.state.attachment is not self._reported:
            self._later(self.state.now_s, 0, b"", ends=False)

    def _changes(self) -> list[tuple[int, bytes]]:
        """Unsolicited lines for what is not as it was."""
        if self.state.enumeration != self._enumeration:
            self._enumeration = self.state.enumeration
            self._ports = [_Port() for _ in self._ports]
            self._due.clear()
            self._reported = self.state.attachment
            return self._tell(self._greeting())
        out: list[tuple[int, bytes]] = []
        for place, port in enumerate(self._ports):
            if port.context is not None and port.context not in self.state.active:
                port.context = None
                out.append((place, self._framed("NO CARRIER")))
        if self.state.attachment is not self._reported:
            self._reported = self.state.attachment
            for place, port in enumerate(self._ports):
                lines = [f"+{name}: {self._stat(name, port.reports[name])}" for name in sorted(port.reports)]
                out += [(place, self._framed(line)) for line in lines if port.context is None]
        return out if self.state.is_listening else []

    def _greeting(self) -> list[str]:
        said = f"+CPIN: {_SIM_CODES.get(self.state.sim, 'NOT INSERTED')}"
        return [said if line.startswith("+CPIN") else line for line in self.persona.greeting]

    def _tell(self, lines: Sequence[str]) -> list[tuple[int, bytes]]:
        return [(place, self._framed(line)) for place in range(len(self._ports)) for line in lines]

    @staticmethod
    def _framed(line: str) -> bytes:
        return b"\r\n" + line.encode() + b"\r\n"

    def _later(self, at_s: float, port: int, data: bytes, *, ends: bool) -> None:
        if len(self._due) < DUE_MAX:
            self._order += 1
            heapq.heappush(self._due, (at_s, self._order, port, data, ends))

    # Commands

    def _line(self, line: bytes, place: int) -> bytes:
        """The answer to a line, or b"" where it comes later."""
        heard = line.decode("ascii", "replace")
        begin = heard.upper().find("AT")
        if begin < 0:
            return b""
        text = heard[begin:]
        port = self._ports[place]
        lines: list[str] = []
        reply, delay_s = Reply(), 0.0
        for part in self._parts(text[2:]):
            reply = self._command(part, port)
            lines += reply.lines
            delay_s += reply.delay_s
            if reply.error is not None or reply.result is not None:
                break
        if reply.result == "":
            port.is_busy = True
            return b""
        answer = self._answer(port, lines, reply)
        if delay_s:
            port.is_busy = True
            self._later(self.state.now_s + delay_s, place, answer, ends=True)
            return b""
        return answer

    @staticmethod
    def _parts(text: str) -> list[str]:
        """`E0V1` and `+COPS=3,2;+COPS?` are two commands each."""
        found: list[str] = []
        while (basic := _BASIC.match(text)) and basic[0][0] not in "Dd":
            found.append(basic[0].upper())
            text = text[basic.end() :].lstrip("; ")
        return found + [part.strip() for part in _PARTS.findall(text)]

    def _answer(self, port: _Port, lines: Sequence[str], reply: Reply) -> bytes:
        result, number = (
            reply.result or "OK",
            {"CONNECT": "1", "NO CARRIER": "3"}.get(reply.result or "", "0"),
        )
        if reply.error is not None:
            result, number = self._error(port, reply.error), "4"
        if not port.is_verbose:
            return b"".join(line.encode() + b"\r\n" for line in lines) + number.encode() + b"\r"
        framed = b"".join(self._framed(line) for line in (*lines, result))
        return framed + b"".join(self._framed(line) for line in reply.late)

    @staticmethod
    def _error(port: _Port, number: int) -> str:
        if port.error_mode == 0:
            return "ERROR"
        return f"+CME ERROR: {number if port.error_mode == 1 else CME_TEXTS[number]}"

    def _command(self, text: str, port: _Port) -> Reply:
        command = text.upper()
        if self._resets(command):
            self.state.reset()
            return Reply()
        lines = self._from_table(command)
        if lines is not None:
            return Reply(late=lines) if command in self.persona.late_lines else Reply(lines)
        name, operation, argument = _FORM.findall(text)[0]
        handler = self._HANDLERS.get(name.upper() if name[:1] in "+#!^*$%&" else name[:1].upper())
        if handler is not None:
            reply = handler(self, _Request(port, text, operation, argument))
            if reply is not None:
                return reply
        return Reply() if _ACCEPTED.match(command) else Reply(error=4)

    def _resets(self, command: str) -> bool:
        return command in ("+CFUN=1,1", "+CFUN=4,1") or command in self.persona.resets

    def _from_table(self, command: str) -> list[str] | None:
        persona = self.persona
        if command == persona.pin_tries_command and persona.pin_tries is not None:
            return [persona.pin_tries.format(**self._values())]
        if command in persona.iccid_commands and self.state.sim is not SimState.MISSING:
            return [f"{'+ICCID' if command == '+CICCID' else command}: {ICCID_DEFAULT}"]
        is_served = self.state.attachment.is_registered and self.state.has_signal
        table = persona.served if is_served else persona.idle
        templates = table.get(command)
        return None if templates is None else [line.format(**self._values()) for line in templates]

    def _values(self) -> dict[str, object]:
        """What a persona's template may name."""
        network = self.state.network
        sinr = network.sinr_db.quantised(0).integer
        return {
            "imei": IMEI_DEFAULT,
            "imsi": IMSI_DEFAULT,
            "operator": network.operator,
            "plmn": network.plmn,
            "mcc": network.plmn[:3],
            "mnc": network.plmn[3:],
            "area": network.area,
            "area_hex": f"{network.area:04X}",
            "cell": network.cell_id,
            "cell_hex": f"{network.cell_id:07X}",
            "rsrp": network.rsrp_dbm,
            "rsrp_x10": 10 * network.rsrp_dbm,
            "rsrp_index": network.rsrp_dbm + 141,
            "rsrp_diversity": network.rsrp_dbm - 2,
            "rsrq": network.rsrq_db,
            "rsrq_x10": 10 * network.rsrq_db,
            "rsrq_index": 2 * network.rsrq_db + 40,
            "rssi": network.rssi_dbm,
            "rssi_x10": 10 * network.rssi_dbm,
            "sinr": sinr,
            "sinr_fifths": 5 * (sinr + 20),
            "pin_tries": self.state.pin_tries,
            "puk_tries": self.state.puk_tries,
        }

    # Handlers. None: the command is not known in this form.

    def _do_echo(self, request: _Request) -> Reply:
        request.port.has_echo = request.text[1:] != "0"
        return Reply()

    def _do_verbose(self, request: _Request) -> Reply:
        request.port.is_verbose = request.text[1:] != "0"
        return Reply()

    def _do_defaults(self, request: _Request) -> Reply:
        request.port.has_echo = request.port.is_verbose = True
        request.port.error_mode = 0
        request.port.reports.clear()
        return Reply()

    def _do_information(self, request: _Request) -> Reply:
        if request.text.upper() not in ("I", "I0"):
            return Reply(error=4)
        return Reply([line.format(**self._values()) for line in self.persona.information])

    def _do_name(self, request: _Request) -> Reply | None:
        if request.operation == "=?":
            return Reply()
        return None if request.operation else Reply([getattr(self.persona, _NAMES[request.text.upper()])])

    def _do_imei(self, request: _Request) -> Reply:
        return Reply() if request.operation == "=?" else Reply([IMEI_DEFAULT])

    def _do_imsi(self, request: _Request) -> Reply:
        return self._sim_error() or (Reply() if request.operation == "=?" else Reply([IMSI_DEFAULT]))

    def _do_sim_file(self, request: _Request) -> Reply | None:
        """The SIM's number by its file (TS 51.011, 10.1.1): swapped nibbles; readable without the PIN."""
        if request.argument != READ_ICCID or self.state.sim is SimState.MISSING:
            return None
        swapped = "".join(ICCID_DEFAULT[place + 1] + ICCID_DEFAULT[place] for place in range(0, 20, 2))
        return Reply([f'+CRSM: 144,0,"{swapped}"'])

    def _do_sim_tries(self, request: _Request) -> Reply | None:
        """VERIFY and UNBLOCK without a code tell how many tries are left (TS 102 221, 11.1.9 and 11.1.10)."""
        tries = {VERIFY_PIN: self.state.pin_tries, UNBLOCK_PIN: self.state.puk_tries}.get(request.argument)
        if tries is None or self.state.sim is SimState.MISSING:
            return None
        return Reply([f'+CSIM: 4,"63C{tries:X}"'])

    def _sim_error(self) -> Reply | None:
        number = _SIM_ERRORS.get(self.state.sim)
        return None if number is None else Reply(error=number)

    def _do_error_mode(self, request: _Request) -> Reply | None:
        if request.operation == "?":
            return Reply([f"+CMEE: {request.port.error_mode}"])
        if request.operation == "=" and request.argument in ("0", "1", "2"):
            request.port.error_mode = int(request.argument)
            return Reply()
        return Reply(["+CMEE: (0-2)"]) if request.operation == "=?" else None

    def _do_functionality(self, request: _Request) -> Reply | None:
        if request.operation == "?":
            return Reply([f"+CFUN: {self.state.functionality}"])
        if request.operation == "=" and request.argument in ("0", "1", "4", "1,0", "4,0", "0,0"):
            self.state.set_functionality(int(request.argument[0]))
            return Reply(delay_s=self.state.delays.radio)
        return None

    def _do_pin(self, request: _Request) -> Reply | None:
        if request.operation == "=?":
            return Reply()
        if request.operation == "?":
            code = _SIM_CODES.get(self.state.sim)
            return Reply(error=10) if code is None else Reply([f"+CPIN: {code}"])
        if self.state.sim is not SimState.PIN:
            return self._sim_error() or Reply(error=3)
        return Reply() if self.state.enter_pin(request.argument.strip('"')) else Reply(error=16)

    def _do_registration(self, request: _Request) -> Reply | None:
        name = re.split(r"[=?]", request.text.upper().lstrip("+"))[0]
        if name == "C5GREG" and name not in self.persona.domains:
            return None
        if request.operation == "?":
            mode = request.port.reports.get(name, 0)
            return Reply([f"+{name}: {mode},{self._stat(name, mode)}"])
        if request.operation == "=?":
            return Reply([f"+{name}: (0-3)"])
        if request.argument not in ("0", "1", "2", "3"):
            return None
        request.port.reports.pop(name, None)
        if request.argument != "0":
            request.port.reports[name] = int(request.argument)
        return Reply()

    def _stat(self, name: str, mode: int) -> str:
        state = self.state
        if name not in self.persona.domains:
            return "0"
        stat = str(_STATS[state.attachment])
        if mode >= 2 and state.attachment.is_registered:
            network = state.network
            return f'{stat},"{network.area:X}","{network.cell_id:X}",{_ACCESS[network.technology]}'
        if mode == 3 and state.reject_cause is not None and name == "CEREG":
            return f"{stat},,,,0,{state.reject_cause}"
        return stat

    def _do_operator(self, request: _Request) -> Reply | None:
        network = self.state.network
        if error := self._sim_error():
            return error
        if request.operation == "?":
            if not self.state.attachment.is_registered:
                return Reply(["+COPS: 0"])
            name = network.plmn if request.port.name_format == 2 else network.operator
            return Reply([f'+COPS: 0,{request.port.name_format},"{name}",{_ACCESS[network.technology]}'])
        if request.operation == "=" and request.argument.startswith("3,"):
            request.port.name_format = 2 if request.argument == "3,2" else 0
            return Reply()
        if request.operation == "=" and request.argument[:1] in ("0", "2"):
            self.state.set_attach(request.argument[0] == "0")
            return Reply(delay_s=self.state.delays.radio)
        return None

    def _do_signal(self, request: _Request) -> Reply:
        if request.operation == "=?":
            return Reply(["+CSQ: (0-31,99),(0-7,99)"])
        number = (self.state.network.rssi_dbm + 113) // 2 if self.state.has_signal else 99
        return Reply([f"+CSQ: {min(max(number, 0), 31) if number != 99 else 99},99"])

    def _do_extended_signal(self, _request: _Request) -> Reply:
        network = self.state.network
        if not self.state.has_signal:
            return Reply(["+CESQ: 99,99,255,255,255,255"])
        return Reply([f"+CESQ: 99,99,255,255,{2 * network.rsrq_db + 40},{network.rsrp_dbm + 141}"])

    def _do_contexts(self, request: _Request) -> Reply | None:
        if request.operation == "?":
            found = sorted(self.state.contexts.items())
            return Reply([f'+CGDCONT: {number},"{kind}","{apn}","",0,0' for number, (kind, apn) in found])
        fields = [field.strip().strip('"') for field in request.argument.split(",")]
        if request.operation != "=" or not re.fullmatch("[0-9]{1,2}", fields[0]):
            return None
        kind, apn = [*fields[1:3], "IP", ""][:2] if len(fields) > 2 else ("IP", "")
        return Reply() if self.state.define(int(fields[0]), kind, apn) else Reply(error=50)

    def _do_attach(self, request: _Request) -> Reply | None:
        if request.operation == "?":
            return Reply([f"+CGATT: {int(self.state.attachment.is_registered)}"])
        if request.operation != "=" or request.argument not in ("0", "1"):
            return None
        self.state.set_attach(request.argument == "1")
        return Reply(delay_s=self.state.delays.radio)

    def _do_activate(self, request: _Request) -> Reply | None:
        if request.operation == "?":
            numbers = sorted(self.state.contexts)
            return Reply([f"+CGACT: {number},{int(number in self.state.active)}" for number in numbers])
        found = re.fullmatch(r"([01]),(\d{1,2})", request.argument)
        if request.operation != "=" or not found:
            return Reply(["+CGACT: (0,1)"]) if request.operation == "=?" else None
        number = int(found[2])
        if found[1] == "0":
            self.state.active.discard(number)
            return Reply()
        return Reply(delay_s=self.state.delays.context, error=None if self.state.activate(number) else 148)

    def _do_addresses(self, _request: _Request) -> Reply:
        return Reply(
            [f'+CGPADDR: {number},"{self.state.network.address}"' for number in sorted(self.state.active)]
        )

    def _do_failure(self, _request: _Request) -> Reply:
        cause = self.state.last_cause
        return Reply([f"+CEER: {'No report available' if cause is None else f'ESM cause {cause}'}"])

    def _do_dial(self, request: _Request) -> Reply:
        found = re.match(r"DT?\*99(?:\*{1,3}(\d{1,2}))?#", request.text, re.IGNORECASE)
        if not found:
            return Reply(result="NO CARRIER")
        self.state.redial()
        if self.state.is_stuck_in_dial:
            return Reply(result="")
        number = int(found[1] or "1")
        if not self.state.activate(number):
            return Reply(result="NO CARRIER", delay_s=self.state.delays.dial)
        request.port.context = number
        return Reply(result="CONNECT")

    def _do_hang_up(self, _request: _Request) -> Reply:
        self.state.active.clear()
        return Reply()

    _HANDLERS: ClassVar[dict[str, Callable[[SimModem, _Request], Reply | None]]] = {
        "E": _do_echo,
        "V": _do_verbose,
        "Z": _do_defaults,
        "&F": _do_defaults,
        "I": _do_information,
        "D": _do_dial,
        "H": _do_hang_up,
        **dict.fromkeys(_NAMES, _do_name),
        "+CGSN": _do_imei,
        "+GSN": _do_imei,
        "+CIMI": _do_imsi,
        "+CRSM": _do_sim_file,
        "+CSIM": _do_sim_tries,
        "+CMEE": _do_error_mode,
        "+CFUN": _do_functionality,
        "+CPIN": _do_pin,
        "+CREG": _do_registration,
        "+CGREG": _do_registration,
        "+CEREG": _do_registration,
        "+C5GREG": _do_registration,
        "+COPS": _do_operator,
        "+CSQ": _do_signal,
        "+CESQ": _do_extended_signal,
        "+CGDCONT": _do_contexts,
        "+CGATT": _do_attach,
        "+CGACT": _do_activate,
        "+CGPADDR": _do_addresses,
        "+CEER": _do_failure,
    }
