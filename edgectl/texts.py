"""What `edgectl` says, in English and German.

Rules: FAULT_TEXTS holds every FaultCode, worst first: that is the order of the status screen. A meaning
says what is so, a step what to do next with the hands or one command; both in the words of the people
who stand at the cabinet. STRINGS holds everything else that a screen shows. Both languages of a string
have the same places to fill. Names of commands, quantities and codes are the same in all languages.
Evidence comes from the agent as it was measured and is not translated.
"""

# ruff: noqa: E501, ISC004 - a table of sentences: a sentence stands in one piece where it can

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from edge_agent.faults import FaultCode

Language = Literal["en", "de"]


class FaultText(NamedTuple):
    """What a fault means, and the next step for a technician."""

    meaning: str
    step: str


FAULT_TEXTS: dict[FaultCode, dict[Language, FaultText]] = {
    FaultCode.BUFFER_WRITE: {
        "en": FaultText(
            "The storage takes no more data: readings are being lost.",
            "Check free space (df -h) and the card (sudo dmesg | tail). Errors of the card: replace it.",
        ),
        "de": FaultText(
            "Der Speicher nimmt nichts mehr an: Messwerte gehen verloren.",
            "Freien Platz prüfen (df -h) und die Karte (sudo dmesg | tail). Fehler der Karte: austauschen.",
        ),
    },
    FaultCode.BUFFER_FULL: {
        "en": FaultText(
            "The buffer is full: the oldest messages give way, each loss is put on record.",
            "Get the link to the backend working again, see its fault. For longer outages raise "
            "buffer.size_bytes_max.",
        ),
        "de": FaultText(
            "Der Puffer ist voll: die ältesten Nachrichten weichen, jeder Verlust wird vermerkt.",
            "Die Verbindung zum Backend wieder herstellen, siehe deren Störung. Für längere Ausfälle "
            "buffer.size_bytes_max erhöhen.",
        ),
    },
    FaultCode.PORT_MISSING: {
        "en": FaultText(
            "The port of this line does not exist.",
            "Plug in the adapter, then compare ls -l /dev/serial/by-path with the line's url.",
        ),
        "de": FaultText(
            "Den Anschluss dieser Leitung gibt es nicht.",
            "Adapter einstecken, dann ls -l /dev/serial/by-path mit der url der Leitung vergleichen.",
        ),
    },
    FaultCode.PORT_GONE: {
        "en": FaultText(
            "The port was there and has vanished.",
            "Check the adapter's plug and its supply. Reading resumes by itself when it is back.",
        ),
        "de": FaultText(
            "Der Anschluss war da und ist verschwunden.",
            "Stecker und Versorgung des Adapters prüfen. Ist er wieder da, wird von selbst weiter gelesen.",
        ),
    },
    FaultCode.PORT_BUSY: {
        "en": FaultText(
            "Another program holds the port of this line.",
            "Find it with sudo fuser -v and the port's name, and stop it (often ModemManager or a console).",
        ),
        "de": FaultText(
            "Ein anderes Programm hält den Anschluss dieser Leitung.",
            "Mit sudo fuser -v und dem Namen des Anschlusses finden und beenden (oft ModemManager oder eine "
            "Konsole).",
        ),
    },
    FaultCode.PORT_DENIED: {
        "en": FaultText(
            "The agent may not open the port of this line.",
            "Let it: sudo usermod -aG dialout edge-agent, then sudo systemctl restart edge-agent.",
        ),
        "de": FaultText(
            "Der Agent darf den Anschluss dieser Leitung nicht öffnen.",
            "Erlauben: sudo usermod -aG dialout edge-agent, danach sudo systemctl restart edge-agent.",
        ),
    },
    FaultCode.PORT_SETTING: {
        "en": FaultText(
            "The port does not accept the line's baud rate or character format.",
            "Correct baud and format of the line in the configuration, or use another adapter.",
        ),
        "de": FaultText(
            "Der Anschluss nimmt Baudrate oder Zeichenformat der Leitung nicht an.",
            "baud und format der Leitung in der Konfiguration berichtigen oder einen anderen Adapter nehmen.",
        ),
    },
    FaultCode.PORT_UNREACHABLE: {
        "en": FaultText(
            "The device behind this line cannot be reached over the network.",
            "Check its supply, its network cable and link light, then ping it; then compare address and port "
            "with the line's url.",
        ),
        "de": FaultText(
            "Das Gerät an dieser Leitung ist über das Netz nicht erreichbar.",
            "Versorgung, Netzkabel und Link-LED prüfen, dann anpingen; dann Adresse und Port mit der url der "
            "Leitung vergleichen.",
        ),
    },
    FaultCode.LINE_OVERRUN: {
        "en": FaultText(
            "The line is too slow for its meters: readings that were due are left out.",
            "Lengthen interval_s, read fewer quantities, raise the baud rate at all devices of the line, or "
            "spread the meters over two lines.",
        ),
        "de": FaultText(
            "Die Leitung ist für ihre Zähler zu langsam: fällige Messwerte fallen aus.",
            "interval_s verlängern, weniger Größen lesen, die Baudrate an allen Geräten der Leitung erhöhen "
            "oder die Zähler auf zwei Leitungen verteilen.",
        ),
    },
    FaultCode.LINE_PATH: {
        "en": FaultText(
            "The Modbus gateway on this line has no way to a meter.",
            "Check the gateway's own settings: which units it forwards to which port, and whether that port is "
            "on. The meter itself was not asked.",
        ),
        "de": FaultText(
            "Das Modbus-Gateway an dieser Leitung hat keinen Weg zu einem Zähler.",
            "Einstellungen des Gateways prüfen: welche Adressen es an welchen Anschluss weitergibt, und ob der "
            "Anschluss eingeschaltet ist. Der Zähler selbst wurde nicht gefragt.",
        ),
    },
    FaultCode.METER_WRONG_SERIAL: {
        "en": FaultText(
            "Another device answers than the configured one: its values are not counted.",
            "Read the serial number on the type plate. Meter exchanged: enter the new number in the "
            "configuration. Else two meters have each other's address or wires.",
        ),
        "de": FaultText(
            "Es antwortet ein anderes Gerät als das eingetragene: seine Werte zählen nicht.",
            "Seriennummer auf dem Typenschild lesen. Zähler getauscht: die neue Nummer in die Konfiguration "
            "eintragen. Sonst sind zwei Zähler in Adresse oder Verdrahtung vertauscht.",
        ),
    },
    FaultCode.METER_COUNT_LOST: {
        "en": FaultText(
            "The stored pulse count of this meter cannot be read: it has no value until its display is entered.",
            "Read the meter's display and enter it: edgectl calibrate METER VALUE. Then check the card "
            "(sudo dmesg | tail).",
        ),
        "de": FaultText(
            "Der gespeicherte Impulsstand dieses Zählers ist nicht lesbar: ohne abgelesenen Stand hat er keinen Wert.",
            "Zählerstand ablesen und eintragen: edgectl calibrate ZÄHLER STAND. Danach die Karte prüfen "
            "(sudo dmesg | tail).",
        ),
    },
    FaultCode.METER_SILENT: {
        "en": FaultText(
            "The meter does not answer.",
            "Only this one: check its supply, its address in the display and its terminals. All of the line: "
            "swap A and B, then check baud rate and parity. Optical head: seat it anew, cable down.",
        ),
        "de": FaultText(
            "Der Zähler antwortet nicht.",
            "Nur dieser: Versorgung, Adresse im Display und Klemmen prüfen. Alle der Leitung: A und B tauschen, "
            "dann Baudrate und Parität prüfen. Optischer Kopf: neu aufsetzen, Kabel nach unten.",
        ),
    },
    FaultCode.METER_CORRUPT: {
        "en": FaultText(
            "Bytes arrive from the meter, but nothing decodes.",
            "All of the line: swap A and B, then check baud rate and parity. Only this one: look for a second "
            "device with its address. Long lines: 120 ohm at both ends, nowhere else. Optical head: turn it, "
            "keep strong light away.",
        ),
        "de": FaultText(
            "Vom Zähler kommen Bytes, aber nichts davon ist lesbar.",
            "Alle der Leitung: A und B tauschen, dann Baudrate und Parität prüfen. Nur dieser: ein zweites Gerät "
            "mit gleicher Adresse suchen. Lange Leitung: 120 Ohm an beiden Enden, sonst nirgends. Optischer "
            "Kopf: drehen, starkes Licht fernhalten.",
        ),
    },
    FaultCode.METER_REFUSES: {
        "en": FaultText(
            "The meter answers, but does not give what is asked for.",
            "Compare the type plate with the profile in the configuration: most likely it is another model.",
        ),
        "de": FaultText(
            "Der Zähler antwortet, gibt aber das Gefragte nicht heraus.",
            "Typenschild mit dem Profil in der Konfiguration vergleichen: meist ist es ein anderes Modell.",
        ),
    },
    FaultCode.BUFFER_DAMAGED: {
        "en": FaultText(
            "Part of the buffer was damaged; it is set aside, and a new stream has begun.",
            "Readings go on. Save the state folder for support. Happens again: replace the card.",
        ),
        "de": FaultText(
            "Ein Teil des Puffers war beschädigt; er ist beiseite gelegt, ein neuer Strom hat begonnen.",
            "Gelesen wird weiter. Zustandsordner für den Support sichern. Kommt es wieder: Karte tauschen.",
        ),
    },
    FaultCode.UPLINK_CLIENT_CERTIFICATE: {
        "en": FaultText(
            "The broker does not accept this gateway's certificate. Readings are kept.",
            "Check with the backend team that the gateway is enrolled, then uplink.certificate and uplink.key: "
            "expired, or of another gateway?",
        ),
        "de": FaultText(
            "Der Broker nimmt das Zertifikat dieses Gateways nicht an. Messwerte bleiben erhalten.",
            "Beim Backend-Team klären, ob das Gateway angemeldet ist; dann uplink.certificate und uplink.key: "
            "abgelaufen oder von einem anderen Gateway?",
        ),
    },
    FaultCode.UPLINK_CERTIFICATE: {
        "en": FaultText(
            "The broker's certificate cannot be trusted. Readings are kept, nothing is sent.",
            "Check the clock (date) first, then that uplink.ca is the authority that signed the broker's "
            "certificate. Both right: tell the backend team.",
        ),
        "de": FaultText(
            "Dem Zertifikat des Brokers ist nicht zu trauen. Messwerte bleiben, gesendet wird nichts.",
            "Zuerst die Uhr prüfen (date), dann ob uplink.ca die Stelle ist, die das Zertifikat des Brokers "
            "unterschrieben hat. Beides richtig: Backend-Team anrufen.",
        ),
    },
    FaultCode.UPLINK_HOST_NAME: {
        "en": FaultText(
            "The broker's certificate is made out to another name. Readings are kept, nothing is sent.",
            "Write the host in uplink.url as it stands in the certificate; else tell the backend team.",
        ),
        "de": FaultText(
            "Das Zertifikat des Brokers lautet auf einen anderen Namen. Messwerte bleiben, gesendet wird nichts.",
            "Den Host in uplink.url so schreiben wie im Zertifikat; sonst Backend-Team anrufen.",
        ),
    },
    FaultCode.UPLINK_REJECTED: {
        "en": FaultText(
            "The broker is reached but refuses the session. Readings are kept.",
            "Ask the backend team for this gateway's rights: is its id enrolled, may it use its topics?",
        ),
        "de": FaultText(
            "Der Broker ist erreichbar, lehnt die Sitzung aber ab. Messwerte bleiben erhalten.",
            "Beim Backend-Team nach den Rechten dieses Gateways fragen: ist seine Kennung angemeldet, darf es "
            "seine Topics nutzen?",
        ),
    },
    FaultCode.UPLINK_DNS: {
        "en": FaultText(
            "The broker's name cannot be resolved. Readings are kept.",
            "Check the network: antenna, SIM, cable (ip addr). Is there one: check the host in uplink.url and "
            "the DNS server.",
        ),
        "de": FaultText(
            "Der Name des Brokers lässt sich nicht auflösen. Messwerte bleiben erhalten.",
            "Netz prüfen: Antenne, SIM, Kabel (ip addr). Ist eines da: den Host in uplink.url und den "
            "DNS-Server prüfen.",
        ),
    },
    FaultCode.UPLINK_TIMEOUT: {
        "en": FaultText(
            "The broker does not answer. Readings are kept.",
            "Check signal and antenna, then whether the APN or a firewall blocks the port in uplink.url.",
        ),
        "de": FaultText(
            "Der Broker antwortet nicht. Messwerte bleiben erhalten.",
            "Empfang und Antenne prüfen, dann ob APN oder Firewall den Port aus uplink.url sperrt.",
        ),
    },
    FaultCode.UPLINK_REFUSED: {
        "en": FaultText(
            "The host is reached, but nobody listens on the broker's port. Readings are kept.",
            "Check the port in uplink.url (TLS is mostly 8883). Right: the broker is down, tell the backend team.",
        ),
        "de": FaultText(
            "Der Host ist erreichbar, aber am Port des Brokers hört niemand. Messwerte bleiben erhalten.",
            "Port in uplink.url prüfen (TLS meist 8883). Stimmt er: Broker steht, Backend-Team anrufen.",
        ),
    },
    FaultCode.UPLINK_LOST: {
        "en": FaultText(
            "The session with the broker was lost; it is being made anew. Readings are kept.",
            "Wait a few minutes. Stays or comes often: check signal and antenna at the closed door.",
        ),
        "de": FaultText(
            "Die Sitzung mit dem Broker ist abgerissen und wird neu aufgebaut. Messwerte bleiben erhalten.",
            "Einige Minuten warten. Bleibt es oder kommt es oft: Empfang und Antenne bei geschlossener Tür "
            "prüfen.",
        ),
    },
    FaultCode.UPLINK_RECEIPT: {
        "en": FaultText(
            "What comes as the backend's receipt is not from it, or damaged: nothing is freed by it.",
            "Check that uplink.backend_key is the backend's present key. Right: tell the backend team.",
        ),
        "de": FaultText(
            "Was als Quittung des Backends ankommt, ist nicht von ihm oder beschädigt: es gibt nichts frei.",
            "Prüfen, ob uplink.backend_key der jetzige Schlüssel des Backends ist. Stimmt er: Backend-Team "
            "anrufen.",
        ),
    },
    FaultCode.CLOCK_UNTRUSTED: {
        "en": FaultText(
            "Nothing vouches for the clock: readings are kept and dated later.",
            "Nothing at once. Stays longer than an hour: check timedatectl and whether a time server is reached.",
        ),
        "de": FaultText(
            "Niemand bürgt für die Uhr: Messwerte bleiben erhalten und werden später datiert.",
            "Nichts sofort. Dauert es länger als eine Stunde: timedatectl prüfen und ob ein Zeitserver "
            "erreichbar ist.",
        ),
    },
}

STRINGS: dict[str, tuple[str, str]] = {
    # help
    "help": (
        "Looks at a running edge gateway agent, over its local socket, without network.\n\n"
        "Exit codes: 0 fine; 1 faults are present; 2 wrong usage or configuration; 3 the agent cannot be "
        "reached; 4 a meter or line gives no (trustworthy) value.",
        "Schaut in einen laufenden Edge-Gateway-Agenten, über dessen lokalen Socket, ohne Netz.\n\n"
        "Rückgabewerte: 0 in Ordnung; 1 es liegen Störungen vor; 2 falscher Aufruf oder falsche "
        "Konfiguration; 3 der Agent ist nicht erreichbar; 4 ein Zähler oder eine Leitung liefert keinen "
        "(vertrauenswürdigen) Wert.",
    ),
    "help.status": (
        "One page: faults with the next step, meters, lines, buffer, link, clock. Worst first.",
        "Eine Seite: Störungen mit dem nächsten Schritt, Zähler, Leitungen, Puffer, Verbindung, Uhr. "
        "Das Schlimmste zuerst.",
    ),
    "help.read": (
        "Read a meter now, to compare with its display.",
        "Einen Zähler jetzt lesen, zum Vergleich mit seinem Display.",
    ),
    "help.calibrate": (
        "Enter what the display of a pulse meter shows now; its readings go on from there.",
        "Eintragen, was das Zählwerk eines Impulszählers jetzt zeigt; seine Messwerte zählen von dort weiter.",
    ),
    "help.display": (
        "The display: all digits, a dot or a comma before the decimals.",
        "Der Stand: alle Stellen, Punkt oder Komma vor den Nachkommastellen.",
    ),
    "help.yes": ("Do not ask.", "Nicht nachfragen."),
    "help.watch": (
        "Show readings as they are recorded, until Ctrl-C.",
        "Messwerte zeigen, wie sie aufgezeichnet werden, bis Strg-C.",
    ),
    "help.meter": (
        "The meter's id from the configuration.",
        "Die Kennung des Zählers aus der Konfiguration.",
    ),
    "help.json": ("For scripts: one JSON object a line.", "Für Skripte: ein JSON-Objekt je Zeile."),
    "help.lang": ("Language of the texts.", "Sprache der Texte."),
    "help.socket": (
        "The agent's socket [default: from the configuration].",
        "Der Socket des Agenten [Vorgabe: aus der Konfiguration].",
    ),
    "help.config": ("The gateway's configuration.", "Die Konfiguration des Gateways."),
    "help.all": ("Show every meter, not only the first of those that are fine.", "Alle Zähler zeigen."),
    "help.seconds": ("End after this many seconds (0: never).", "Nach so vielen Sekunden enden (0: nie)."),
    "help.only": ("Only readings of this meter.", "Nur Messwerte dieses Zählers."),
    "help.decode": (
        "Explain recorded bytes: which telegrams they are, byte range by byte range. Needs no agent.",
        "Aufgezeichnete Bytes erklären: welche Telegramme es sind, Byte für Byte. Braucht keinen Agenten.",
    ),
    "help.protocol": ("What was recorded.", "Was aufgezeichnet wurde."),
    "help.key": (
        "Key of an encrypted P1 meter, 32 hexadecimal digits.",
        "Schlüssel eines verschlüsselten P1-Zählers, 32 Hexadezimalziffern.",
    ),
    "help.auth-key": (
        "Authentication key of an encrypted P1 meter, 32 hexadecimal digits.",
        "Authentisierungsschlüssel eines verschlüsselten P1-Zählers, 32 Hexadezimalziffern.",
    ),
    "help.dzg-sign": (
        "The SML meter (DZG DVS 7412) sends positive total power as if it were signed.",
        "Der SML-Zähler (DZG DVS 7412) sendet positive Gesamtleistung, als hätte sie ein Vorzeichen.",
    ),
    "help.source": (
        "A file (raw bytes or hexadecimal text), - for standard input, or hexadecimal digits.",
        "Eine Datei (rohe Bytes oder Hexadezimaltext), - für die Standardeingabe, oder Hexadezimalziffern.",
    ),
    # status
    "status.fine": ("all is well", "alles in Ordnung"),
    "status.faults": ("{count} faults", "{count} Störungen"),
    "status.fault": ("1 fault", "1 Störung"),
    "status.agent": (
        "agent {version} · boot {boot} · up {uptime}",
        "Agent {version} · Start {boot} · läuft {uptime}",
    ),
    "status.for": ("for {duration}", "seit {duration}"),
    "status.more": ("and {count} more: {subjects}", "und {count} weitere: {subjects}"),
    "status.unknown-fault": (
        "A fault that this edgectl does not know: it is older than the agent.",
        "Eine Störung, die dieses edgectl nicht kennt: es ist älter als der Agent.",
    ),
    "status.meters-fine": (
        "+ {count} meters that are fine (edgectl status --all)",
        "+ {count} Zähler in Ordnung (edgectl status --all)",
    ),
    "status.above": ("{count} faults, see above: {faults}", "{count} Störungen, siehe oben: {faults}"),
    "head.meter": ("METER", "ZÄHLER"),
    "head.line": ("LINE", "LEITUNG"),
    "head.address": ("ADDR", "ADR"),
    "head.age": ("LAST", "ZULETZT"),
    "head.serial": ("SERIAL NO.", "SERIENNR."),
    "head.value": ("VALUE", "WERT"),
    "head.unit": ("UNIT", "EINHEIT"),
    "head.quantity": ("QUANTITY", "GRÖSSE"),
    "head.quality": ("QUALITY", "GÜTE"),
    "head.state": ("STATE", "ZUSTAND"),
    "head.exchanges": ("EXCHANGES", "ABFRAGEN"),
    "head.timeouts": ("TIMEOUTS", "STUMM"),
    "head.corrupt": ("CORRUPT", "DEFEKT"),
    "head.noise": ("NOISE", "RAUSCHEN"),
    "line.open": ("open", "offen"),
    "line.closed": ("CLOSED", "ZU"),
    "meter.never": ("never", "nie"),
    "meter.silent": ("silent {duration}", "stumm {duration}"),
    "identity.unconfigured": ("not configured", "nicht eingetragen"),
    "identity.configured": ("not checked yet", "noch ungeprüft"),
    "identity.verified": ("verified", "geprüft"),
    "identity.mismatch": ("WRONG DEVICE", "FALSCHES GERÄT"),
    "identity.unverifiable": ("cannot be read", "nicht lesbar"),
    "label.buffer": ("BUFFER", "PUFFER"),
    "label.link": ("LINK", "VERBINDUNG"),
    "label.clock": ("CLOCK", "UHR"),
    "buffer.size": ("{size} of {size_max} ({percent} %)", "{size} von {size_max} ({percent} %)"),
    "buffer.flushed": ("last written {duration} ago", "zuletzt geschrieben vor {duration}"),
    "buffer.never-flushed": ("nothing written yet", "noch nichts geschrieben"),
    "buffer.messages": (
        "messages to send: {unsent}, waiting for the backend's receipt: {published}",
        "Nachrichten zu senden: {unsent}, warten auf Quittung des Backends: {published}",
    ),
    "buffer.lost": (
        "LOST: messages evicted: {evicted}, readings dropped: {dropped} (each on record)",
        "VERLOREN: Nachrichten verdrängt: {evicted}, Messwerte verworfen: {dropped} (alles vermerkt)",
    ),
    "link.up": ("connected for {duration} with {url}", "verbunden seit {duration} mit {url}"),
    "link.down": ("NOT CONNECTED for {duration} with {url}", "NICHT VERBUNDEN seit {duration} mit {url}"),
    "link.never": ("not connected yet with {url}", "noch nicht verbunden mit {url}"),
    "link.receipt": (
        "backend holds all up to {held_to}, said so {duration} ago",
        "Backend hält alles bis {held_to}, gesagt vor {duration}",
    ),
    "link.no-receipt": ("no receipt from the backend yet", "noch keine Quittung vom Backend"),
    "link.puback": (
        "broker took a message {duration} ago; freed by that alone, without receipts",
        "Broker nahm eine Nachricht vor {duration} an; schon das gibt frei, ohne Quittung",
    ),
    "link.no-puback": ("the broker took nothing yet", "der Broker nahm noch nichts an"),
    "clock.trusted": ("{utc} UTC, ±{uncertainty} ({source})", "{utc} UTC, ±{uncertainty} ({source})"),
    "clock.untrusted": (
        "not trusted: readings are dated later",
        "nicht vertrauenswürdig: Messwerte werden später datiert",
    ),
    # read
    "read.title": (
        "{meter} · line {line}, address {address} · {profile} · read in {duration}",
        "{meter} · Leitung {line}, Adresse {address} · {profile} · gelesen in {duration}",
    ),
    "read.verified": (
        "Serial number {read}: as configured.",
        "Seriennummer {read}: wie eingetragen.",
    ),
    "read.mismatch": (
        "WRONG DEVICE: serial number {read} answers, {configured} is configured. Compare the type plate.",
        "FALSCHES GERÄT: Seriennummer {read} antwortet, eingetragen ist {configured}. Typenschild vergleichen.",
    ),
    "read.configured": (
        "Serial number {configured} is configured, and not compared yet.",
        "Seriennummer {configured} ist eingetragen und noch nicht verglichen.",
    ),
    "read.unconfigured": (
        "No serial number is configured; the device says {read}. Compare the type plate and enter it.",
        "Keine Seriennummer eingetragen; das Gerät meldet {read}. Mit dem Typenschild vergleichen und eintragen.",
    ),
    "read.unconfigured-unread": (
        "No serial number is configured, and the device does not tell it. Compare the type plate.",
        "Keine Seriennummer eingetragen, und das Gerät nennt sie nicht. Typenschild vergleichen.",
    ),
    "read.unverifiable": (
        "The device does not tell its serial number. Compare {configured} with the type plate.",
        "Das Gerät nennt seine Seriennummer nicht. {configured} mit dem Typenschild vergleichen.",
    ),
    "quality.good": ("good", "gut"),
    "quality.float-exhausted": ("last digits worn out", "letzte Stellen verbraucht"),
    "quality.identity-unverified": ("device not verified", "Gerät ungeprüft"),
    "quality.stale": ("old value repeated", "alter Wert wiederholt"),
    "quality.implausible": ("implausible", "unplausibel"),
    "quality.unwatched": ("pulses may be missing", "Impulse können fehlen"),
    "cause.silent": ("no answer", "keine Antwort"),
    "cause.corrupt": ("unreadable", "nicht lesbar"),
    "cause.refused": ("refused", "verweigert"),
    "cause.not-available": ("meter has none", "Zähler hat keinen"),
    "cause.line-busy": ("line was busy", "Leitung war belegt"),
    "cause.port-gone": ("port was gone", "Anschluss war weg"),
    "cause.wrong-device": ("wrong device", "falsches Gerät"),
    "cause.not-sent": ("meter did not send it", "Zähler sandte ihn nicht"),
    # watch
    "watch.waiting": (
        "Waiting for readings; Ctrl-C ends.",
        "Warte auf Messwerte; Strg-C beendet.",
    ),
    "watch.lost": (
        "Not shown, this terminal is too slow: {count} readings",
        "Nicht gezeigt, dieses Terminal ist zu langsam: {count} Messwerte",
    ),
    # decode: what was given is no recording
    "decode.input.not-found": (
        "{name} is neither a file nor hexadecimal digits. Check the name, or write bytes as 1B 1B or 0x1B.",
        "{name} ist weder eine Datei noch Hexadezimalziffern. Namen prüfen, oder Bytes als 1B 1B oder 0x1B schreiben.",
    ),
    "decode.input.unreadable": (
        "{name} cannot be read: {reason}.",
        "{name} ist nicht lesbar: {reason}.",
    ),
    "decode.input.empty": (
        "There is nothing in it: no byte was recorded.",
        "Es ist leer: kein Byte wurde aufgezeichnet.",
    ),
    "decode.input.size": (
        "The recording has more than {size}. Cut it, for example with head -c {size_bytes}.",
        "Die Aufzeichnung hat mehr als {size}. Kürzen, zum Beispiel mit head -c {size_bytes}.",
    ),
    "decode.input.odd": (
        "{digits} hexadecimal digits: a byte has two. One is missing or too many.",
        "{digits} Hexadezimalziffern: ein Byte hat zwei. Eine fehlt oder ist zu viel.",
    ),
    "decode.input.not-hex": (
        "Text, but not hexadecimal: line {line}, column {column} has {character!r}. Give raw bytes, or only the digits "
        "0-9 A-F with blanks, commas or 0x; for a hex dump with offsets remove all but the bytes.",
        "Text, aber nicht hexadezimal: Zeile {line}, Spalte {column} hat {character!r}. Rohe Bytes geben, oder nur die "
        "Ziffern 0-9 A-F mit Leerzeichen, Kommas oder 0x; aus einem Hexdump mit Adressen alles außer den Bytes entfernen.",
    ),
    "decode.input.key": (
        "{option} is no key: right are 32 hexadecimal digits (16 bytes).",
        "{option} ist kein Schlüssel: richtig sind 32 Hexadezimalziffern (16 Byte).",
    ),
    # decode, telegrams
    "decode.telegram": (
        "TELEGRAM {number} · bytes {start} to {last} ({count})",
        "TELEGRAMM {number} · Byte {start} bis {last} ({count})",
    ),
    "decode.none": (
        "NO TELEGRAM · bytes {start} to {last} ({count})",
        "KEIN TELEGRAMM · Byte {start} bis {last} ({count})",
    ),
    "decode.meter": ("meter {meter}", "Zähler {meter}"),
    "decode.unit": ("unit {meter}", "Unit {meter}"),
    "decode.time": ("meter's time {time}", "Uhrzeit des Zählers {time}"),
    "decode.request": ("request to unit {meter}: {function}", "Anfrage an Unit {meter}: {function}"),
    "decode.answer": ("answer of unit {meter}: {function}", "Antwort von Unit {meter}: {function}"),
    "decode.refusal": ("refusal by unit {meter}: {function}", "Ablehnung von Unit {meter}: {function}"),
    "decode.range": ("asked for {first} to {last}", "gefragt: {first} bis {last}"),
    "decode.unasked": (
        "The request is not in the recording, or does not fit: addresses count from +0.",
        "Die Anfrage fehlt in der Aufzeichnung oder passt nicht: Adressen zählen ab +0.",
    ),
    "decode.two-words": (
        "u32 and f32: this register and the next; swapped: the next one first. The manual says which it is.",
        "u32 und f32: dieses Register und das nächste; gedreht: das nächste zuerst. Was gilt, sagt das Handbuch.",
    ),
    "decode.decrypted": (
        "DECRYPTED · bytes count from the beginning of the telegram inside",
        "ENTSCHLÜSSELT · Bytes zählen ab dem Anfang des Telegramms darin",
    ),
    "decode.not-sent": ("not sent", "nicht gesendet"),
    "decode.list": ("list of {count}", "Liste von {count}"),
    "decode.octets": ("{count} bytes", "{count} Byte"),
    "decode.more": ("... {count} more", "... noch {count}"),
    "decode.registers": ("{count} registers, below", "{count} Register, unten"),
    "decode.summary": (
        "Telegrams: {telegrams}. Stretches that are none: {stretches}.",
        "Telegramme: {telegrams}. Stücke, die keine sind: {stretches}.",
    ),
    "decode.summary-clean": (
        "Telegrams: {telegrams}. Nothing else in the recording.",
        "Telegramme: {telegrams}. Nichts sonst in der Aufzeichnung.",
    ),
    "decode.step": (
        "Nothing of it is {protocol}. Was it recorded at the right baud rate, with the right character format? Is it "
        "another protocol (--protocol)?",
        "Nichts davon ist {protocol}. Mit richtiger Baudrate und richtigem Zeichenformat aufgezeichnet? Ein anderes "
        "Protokoll (--protocol)?",
    ),
    "head.bytes": ("BYTES", "BYTE"),
    "head.hex": ("HEX", "HEX"),
    "head.text": ("TEXT", "TEXT"),
    "head.what": ("WHAT", "WAS"),
    "head.swapped": ("SWAPPED", "GEDREHT"),
    # decode: why a stretch is no telegram
    "stretch.noise": (
        "Belongs to no telegram: noise, or the recording began in the middle of one.",
        "Gehört zu keinem Telegramm: Rauschen, oder die Aufzeichnung begann mitten in einem.",
    ),
    "stretch.cut": (
        "A telegram that ends too early: cut off, or bytes were lost.",
        "Ein Telegramm, das zu früh endet: abgeschnitten, oder Bytes gingen verloren.",
    ),
    "stretch.truncated": (
        "A telegram that ends too early: cut off, or bytes were lost.",
        "Ein Telegramm, das zu früh endet: abgeschnitten, oder Bytes gingen verloren.",
    ),
    "stretch.size": (
        "A telegram that begins and does not end: its end was lost.",
        "Ein Telegramm, das beginnt und nicht endet: sein Ende ging verloren.",
    ),
    "stretch.crc": (
        "The checksum is wrong: a telegram damaged on its way. Check the head's seat or the wiring.",
        "Die Prüfsumme ist falsch: ein unterwegs beschädigtes Telegramm. Sitz des Lesekopfs oder Verdrahtung prüfen.",
    ),
    "stretch.lrc": (
        "The checksum is wrong: a frame damaged on its way. Check wiring and character format.",
        "Die Prüfsumme ist falsch: ein unterwegs beschädigtes Telegramm. Verdrahtung und Zeichenformat prüfen.",
    ),
    "stretch.bcc": (
        "The block check is wrong: a read-out damaged on its way. Check the head's seat.",
        "Die Blockprüfung ist falsch: eine unterwegs beschädigte Auslesung. Sitz des Lesekopfs prüfen.",
    ),
    "stretch.crc_missing": (
        "A telegram of this version ends with a checksum, and this one has none.",
        "Ein Telegramm dieser Version endet mit einer Prüfsumme, und dieses hat keine.",
    ),
    "stretch.no_list": (
        "A whole and undamaged file, without values.",
        "Eine vollständige, unbeschädigte Datei, ohne Werte.",
    ),
    "stretch.pdu": (
        "A frame whose content fits no function that edgectl knows.",
        "Ein Telegramm, dessen Inhalt zu keiner Funktion passt, die edgectl kennt.",
    ),
    "stretch.encrypted": (
        "Encrypted: give the meter's key by --key, and --auth-key where its operator gave one.",
        "Verschlüsselt: Schlüssel des Zählers mit --key angeben, und --auth-key, wo der Betreiber einen nannte.",
    ),
    "stretch.decrypt": (
        "Encrypted, and the keys do not open it: a wrong key, or damaged on its way.",
        "Verschlüsselt, und die Schlüssel öffnen es nicht: falscher Schlüssel, oder unterwegs beschädigt.",
    ),
    "stretch.plaintext": (
        "Decrypted to what is no telegram: a wrong key.",
        "Entschlüsselt zu etwas, das kein Telegramm ist: falscher Schlüssel.",
    ),
    "stretch.other": ("No telegram: {text}.", "Kein Telegramm: {text}."),
    # decode: what bytes are
    "span.rest": ("not explained", "nicht erklärt"),
    "span.blank": ("blank", "Leerraum"),
    "span.sml.start": ("start, version 1", "Beginn, Version 1"),
    "span.sml.message": ("message", "Nachricht"),
    "span.sml.fill": ("filling", "Füllbyte"),
    "span.sml.transaction": ("transactionId", "transactionId"),
    "span.sml.group": ("groupNo", "groupNo"),
    "span.sml.abort": ("abortOnError", "abortOnError"),
    "span.sml.body": ("messageBody", "messageBody"),
    "span.sml.body-tag": ("kind of message", "Art der Nachricht"),
    "span.sml.content": ("content", "Inhalt"),
    "span.sml.element": ("field", "Feld"),
    "span.sml.open": ("PublicOpen.Res", "PublicOpen.Res"),
    "span.sml.close": ("PublicClose.Res", "PublicClose.Res"),
    "span.sml.get-list": ("GetList.Res", "GetList.Res"),
    "span.sml.codepage": ("codepage", "codepage"),
    "span.sml.client-id": ("clientId", "clientId"),
    "span.sml.file-id": ("reqFileId", "reqFileId"),
    "span.sml.server-id": ("serverId", "serverId"),
    "span.sml.ref-time": ("refTime", "refTime"),
    "span.sml.version": ("smlVersion", "smlVersion"),
    "span.sml.list-name": ("listName", "listName"),
    "span.sml.sensor-time": ("actSensorTime", "actSensorTime"),
    "span.sml.gateway-time": ("actGatewayTime", "actGatewayTime"),
    "span.sml.entry-time": ("valTime", "valTime"),
    "span.sml.time-choice": ("kind of time", "Art der Zeit"),
    "span.sml.time-value": ("time", "Zeit"),
    "span.sml.local-offset": ("minutes to UTC", "Minuten zu UTC"),
    "span.sml.season-offset": ("minutes of season", "Minuten Sommerzeit"),
    "span.sml.values": ("valList", "valList"),
    "span.sml.list-signature": ("listSignature", "listSignature"),
    "span.sml.entry": ("value entry", "Werteintrag"),
    "span.sml.obis": ("objName: OBIS", "objName: OBIS"),
    "span.sml.status": ("status", "status"),
    "span.sml.unit": ("unit", "unit"),
    "span.sml.scaler": ("scaler", "scaler"),
    "span.sml.value": ("value", "value"),
    "span.sml.value-signature": ("valueSignature", "valueSignature"),
    "span.sml.signature": ("globalSignature", "globalSignature"),
    "span.sml.message-crc": ("crc16: right", "crc16: richtig"),
    "span.sml.message-crc-wrong": (
        "crc16 WRONG, right is",
        "crc16 FALSCH, richtig wäre",
    ),
    "span.sml.message-end": ("end of message", "Ende der Nachricht"),
    "span.sml.padding": ("padding", "Auffüllung"),
    "span.sml.end": ("end, padding bytes", "Ende, Füllbytes"),
    "span.sml.file-crc": ("checksum: right", "Prüfsumme: richtig"),
    "span.sml.file-crc-wrong": ("CHECKSUM WRONG, right is", "PRÜFSUMME FALSCH, richtig wäre"),
    "time.1": ("1: seconds of operation", "1: Betriebssekunden"),
    "time.2": ("2: date and time, UTC", "2: Datum und Uhrzeit, UTC"),
    "time.3": ("3: date and time, local", "3: Datum und Uhrzeit, lokal"),
    "span.modbus.unit": ("unit (device address)", "Unit (Geräteadresse)"),
    "span.modbus.function": ("function", "Funktion"),
    "span.modbus.refused": ("function, refused (+128)", "Funktion, abgelehnt (+128)"),
    "span.modbus.crc-wrong": ("CHECKSUM WRONG, right is", "PRÜFSUMME FALSCH, richtig wäre"),
    "span.modbus.address": ("first address, from 0", "erste Adresse, ab 0"),
    "span.modbus.count": ("how many", "Anzahl"),
    "span.modbus.bytes": ("bytes that follow", "folgende Byte"),
    "span.modbus.register": ("registers", "Register"),
    "span.modbus.bits": ("coils, first at the left", "Coils, erster links"),
    "span.modbus.written": ("value to write", "zu schreibender Wert"),
    "span.modbus.coil": ("coil: 65280 on, 0 off", "Coil: 65280 ein, 0 aus"),
    "span.modbus.exception": ("exception code", "Ausnahmecode"),
    "span.modbus.crc": ("checksum (CRC): right", "Prüfsumme (CRC): richtig"),
    "span.modbus.lrc": ("checksum (LRC): right", "Prüfsumme (LRC): richtig"),
    "span.modbus.colon": ("start", "Beginn"),
    "span.modbus.line-end": ("end of line", "Zeilenende"),
    "span.modbus.transaction": ("transaction", "Transaktion"),
    "span.modbus.protocol": ("protocol, always 0", "Protokoll, immer 0"),
    "span.modbus.length": ("bytes that follow", "folgende Byte"),
    "span.modbus.mei": ("MEI type, 14: identification", "MEI-Typ, 14: Identifikation"),
    "span.modbus.category": ("category", "Kategorie"),
    "span.modbus.conformity": ("conformity level", "Konformitätsstufe"),
    "span.modbus.more": ("more follows: 255 yes", "weitere folgen: 255 ja"),
    "span.modbus.next-object": ("next object", "nächstes Objekt"),
    "span.modbus.objects": ("objects in here", "Objekte hierin"),
    "span.modbus.object": ("object", "Objekt"),
    "span.modbus.object-length": ("its length", "seine Länge"),
    "span.modbus.object-value": ("its text", "sein Text"),
    "span.modbus.server-id": ("server id, run indicator", "Server-ID, Betriebsanzeige"),
    "function.1": ("read coils", "Coils lesen"),
    "function.2": ("read discrete inputs", "Diskrete Eingänge lesen"),
    "function.3": ("read holding registers", "Holding-Register lesen"),
    "function.4": ("read input registers", "Input-Register lesen"),
    "function.5": ("write a coil", "Coil schreiben"),
    "function.6": ("write a register", "Register schreiben"),
    "function.15": ("write coils", "Coils schreiben"),
    "function.16": ("write registers", "Register schreiben"),
    "function.17": ("report server id", "Server-ID melden"),
    "function.43": ("read device identification", "Geräteidentifikation lesen"),
    "exception.1": ("illegal function", "Funktion unbekannt"),
    "exception.2": (
        "illegal data address: no such registers",
        "Adresse unbekannt: solche Register gibt es nicht",
    ),
    "exception.3": ("illegal data value", "Wert unzulässig"),
    "exception.4": ("device failure", "Gerätefehler"),
    "exception.5": ("acknowledge: needs longer", "angenommen: braucht länger"),
    "exception.6": ("device busy", "Gerät beschäftigt"),
    "exception.8": ("memory parity error", "Paritätsfehler im Speicher"),
    "exception.10": ("gateway has no path to the unit", "Gateway hat keinen Weg zur Unit"),
    "exception.11": ("gateway reached no such unit", "Gateway erreichte keine solche Unit"),
    "span.d0.maker": ("maker", "Hersteller"),
    "span.d0.baud": ("baud rate, mode", "Baudrate, Modus"),
    "span.d0.enhanced": ("further capability", "weitere Fähigkeit"),
    "span.d0.device": ("device, in the maker's words", "Gerät, in Worten des Herstellers"),
    "span.d0.request": ("sign-on request", "Anfrage zur Auslesung"),
    "span.d0.stx": ("STX: block begins", "STX: Block beginnt"),
    "span.d0.etx": ("ETX: block ends", "ETX: Block endet"),
    "span.d0.bcc": ("block check: right", "Blockprüfung: richtig"),
    "span.d0.bcc-wrong": ("BLOCK CHECK WRONG, right is", "BLOCKPRÜFUNG FALSCH, richtig wäre"),
    "span.d0.data-set": ("data set", "Datensatz"),
    "span.d0.values": ("more values", "weitere Werte"),
    "span.d0.end": ("end", "Ende"),
    "span.p1.crc": ("checksum: right", "Prüfsumme: richtig"),
    "span.p1.crc-wrong": ("CHECKSUM WRONG, right is", "PRÜFSUMME FALSCH, richtig wäre"),
    "span.p1.start": ("encrypted frame", "verschlüsselter Rahmen"),
    "span.p1.title": ("system title: the meter", "System Title: der Zähler"),
    "span.p1.length": ("bytes that follow", "folgende Byte"),
    "span.p1.security": ("security control", "Security Control"),
    "span.p1.counter": ("frame counter", "Telegrammzähler"),
    "span.p1.ciphertext": ("encrypted telegram", "verschlüsseltes Telegramm"),
    "span.p1.tag": ("authentication tag", "Authentisierungs-Tag"),
    # the agent says no
    "error.NoSuchMeter": (
        "There is no meter {meter}. Configured: {known}.",
        "Es gibt keinen Zähler {meter}. Eingetragen: {known}.",
    ),
    "error.NoSuchLine": (
        "There is no line {line}. Configured: {known}.",
        "Es gibt keine Leitung {line}. Eingetragen: {known}.",
    ),
    "error.MeterSilent": ("{meter} does not answer: {evidence}.", "{meter} antwortet nicht: {evidence}."),
    "error.MeterCorrupt": (
        "{meter}: bytes arrive, nothing decodes: {evidence}.",
        "{meter}: es kommen Bytes, nichts ist lesbar: {evidence}.",
    ),
    "error.MeterRefuses": (
        "{meter} does not give what is asked for: {evidence}.",
        "{meter} gibt das Gefragte nicht heraus: {evidence}.",
    ),
    "error.LineUnavailable": (
        "Line {line} cannot be used now: {evidence}.",
        "Leitung {line} ist jetzt nicht nutzbar: {evidence}.",
    ),
    "calibrate.ask": (
        "{meter} shows {before} {unit} here and will show {after} {unit}. Is {after} on the meter's display?",
        "{meter} steht hier auf {before} {unit} und wird auf {after} {unit} gestellt. Zeigt der Zähler {after}?",
    ),
    "calibrate.nothing": ("nothing", "nichts"),
    "calibrate.unchanged": ("Nothing was changed.", "Nichts wurde geändert."),
    "calibrate.done": (
        "{meter} counts on from {after} {unit} (was {before}). It is stored, and told to the backend.",
        "{meter} zählt ab {after} {unit} weiter (war {before}). Das ist gespeichert und wird dem Backend gemeldet.",
    ),
    "error.NotCalibrated": (
        "{meter} was not calibrated: {evidence}.",
        "{meter} wurde nicht eingestellt: {evidence}.",
    ),
    "error.Busy": (
        "The agent already has {connections_max} connections. Close other edgectl windows.",
        "Der Agent hat schon {connections_max} Verbindungen. Andere edgectl-Fenster schließen.",
    ),
    "error.other": (
        "The agent answered: {name}. Its log says more: journalctl -u edge-agent -n 50",
        "Der Agent antwortete: {name}. Sein Protokoll sagt mehr: journalctl -u edge-agent -n 50",
    ),
    "error.next-line": (
        "See edgectl status for the line's fault and its next step.",
        "edgectl status zeigt die Störung der Leitung und den nächsten Schritt.",
    ),
    # the agent cannot be reached
    "down.title": ("THE AGENT CANNOT BE REACHED", "DER AGENT IST NICHT ERREICHBAR"),
    "down.missing": (
        "There is no socket at {path}: the agent is not running, or uses another one.",
        "Unter {path} gibt es keinen Socket: der Agent läuft nicht oder nutzt einen anderen.",
    ),
    "down.missing.step": (
        "systemctl status edge-agent; start it with sudo systemctl start edge-agent. Another socket: "
        "--socket or --config.",
        "systemctl status edge-agent; starten mit sudo systemctl start edge-agent. Anderer Socket: --socket "
        "oder --config.",
    ),
    "down.refused": (
        "Nobody answers at {path}: the agent was killed or has crashed.",
        "Unter {path} antwortet niemand: der Agent wurde beendet oder ist abgestürzt.",
    ),
    "down.refused.step": (
        "systemctl status edge-agent and journalctl -u edge-agent -n 50 say why; sudo systemctl restart "
        "edge-agent.",
        "systemctl status edge-agent und journalctl -u edge-agent -n 50 sagen warum; sudo systemctl restart "
        "edge-agent.",
    ),
    "down.denied": (
        "You may not open {path}; it belongs to the group {group}.",
        "Sie dürfen {path} nicht öffnen; es gehört der Gruppe {group}.",
    ),
    "down.denied.step": (
        "sudo usermod -aG {group} $USER, log in anew; or put sudo in front.",
        "sudo usermod -aG {group} $USER, neu anmelden; oder sudo davor setzen.",
    ),
    "down.lost": (
        "The agent at {path} went away or does not answer ({detail}).",
        "Der Agent unter {path} ist weg oder antwortet nicht ({detail}).",
    ),
    "down.lost.step": (
        "Try again. Stays: journalctl -u edge-agent -n 50, then sudo systemctl restart edge-agent.",
        "Noch einmal versuchen. Bleibt es: journalctl -u edge-agent -n 50, dann sudo systemctl restart edge-agent.",
    ),
    "down.see-status": (
        "edgectl status shows what can be told without it.",
        "edgectl status zeigt, was ohne ihn zu erfahren ist.",
    ),
    "label.config": ("CONFIGURATION", "KONFIGURATION"),
    "label.state": ("STATE FOLDER", "ZUSTANDSORDNER"),
    "config.good": (
        "{path}: gateway {gateway}, {lines} lines, {meters} meters",
        "{path}: Gateway {gateway}, {lines} Leitungen, {meters} Zähler",
    ),
    "config.problems": (
        "{path}: the agent does not start with it, problems: {count}",
        "{path}: damit startet der Agent nicht, Fehler: {count}",
    ),
    "config.unreadable": ("{path}: {reason}", "{path}: {reason}"),
    "config.step": ("Name another with --config.", "Mit --config eine andere nennen."),
    "state.size": ("{path}: {size} of {size_max}", "{path}: {size} von {size_max}"),
    "state.journal": ("newest journal written {duration} ago", "neuestes Journal geschrieben vor {duration}"),
    "state.no-journal": ("no journal", "kein Journal"),
    "state.messages": ("messages stored: {count}", "gespeicherte Nachrichten: {count}"),
    "state.messages-unknown": ("stored messages: {reason}", "gespeicherte Nachrichten: {reason}"),
    "state.unreadable": (
        "{path}: {reason}. Put sudo in front to see it.",
        "{path}: {reason}. Mit sudo davor ist er zu sehen.",
    ),
    "state.missing": (
        "{path} does not exist: the agent never ran with this configuration",
        "{path} gibt es nicht: mit dieser Konfiguration lief der Agent nie",
    ),
}


class Words:
    """The texts in one language."""

    def __init__(self, language: Language) -> None:
        self.language: Language = language

    def __call__(self, key: str, **fields: object) -> str:
        """The text of `key` with its places filled; KeyError for a key that does not exist."""
        return STRINGS[key][self.language == "de"].format(**fields)

    def known(self, key: str, otherwise: str) -> str:
        """The text of `key`, or `otherwise` where a newer agent says what we have no text for."""
        return self(key) if key in STRINGS else otherwise

    def fault(self, code: str) -> FaultText:
        """Meaning and next step of a fault."""
        try:
            return FAULT_TEXTS[FaultCode(code)][self.language]
        except ValueError:
            return FaultText(self("status.unknown-fault"), "")

    def decimal(self, text: str) -> str:
        """A number as people here write it: with a comma in German."""
        return text.replace(".", ",") if self.language == "de" else text


def fault_rank(code: str) -> int:
    """0 for the worst; unknown codes last."""
    codes = [str(known) for known in FAULT_TEXTS]
    return codes.index(code) if code in codes else len(codes)


def choose_language(option: str | None, environ: Mapping[str, str]) -> Language:
    """`--lang`, else the locale as POSIX orders it (LC_ALL, LC_MESSAGES, LANG), else English."""
    locale = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return "de" if (option or locale).lower().startswith("de") else "en"
