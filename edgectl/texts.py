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
