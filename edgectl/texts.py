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
            "Read the serial number on the type plate. Meter exchanged: edgectl exchange METER "
            "--serial NEW. Else two meters have each other's address or wires.",
        ),
        "de": FaultText(
            "Es antwortet ein anderes Gerät als das eingetragene: seine Werte zählen nicht.",
            "Seriennummer auf dem Typenschild lesen. Zähler getauscht: edgectl exchange ZÄHLER "
            "--serial NEU. Sonst sind zwei Zähler in Adresse oder Verdrahtung vertauscht.",
        ),
    },
    FaultCode.METER_WRONG_TYPE: {
        "en": FaultText(
            "A meter says that it is another model than its profile is for: its values are marked as doubtful.",
            "Read the model on the type plate and give the meter that model's profile (docs/meters.md). Where the "
            "plate shows what the profile is for, compare the values with the display and tell the profile's author.",
        ),
        "de": FaultText(
            "Ein Zähler meldet ein anderes Modell als das seines Profils: seine Werte gelten als zweifelhaft.",
            "Modell auf dem Typenschild lesen und dem Zähler dessen Profil geben (docs/meters.md). Stimmt das Schild "
            "mit dem Profil überein: Werte mit der Anzeige vergleichen und dem Autor des Profils Bescheid geben.",
        ),
    },
    FaultCode.METER_IMPLAUSIBLE: {
        "en": FaultText(
            "Values of this meter cannot be right as they come: they are sent as read, and marked.",
            "Compare them with the meter's display: edgectl read METER. Another number: wrong profile, word order or "
            "type (docs/profiles.md). Meter exchanged: edgectl exchange METER --serial NEW. Same number: the meter itself.",
        ),
        "de": FaultText(
            "Werte dieses Zählers können so nicht stimmen: sie werden wie gelesen gesendet und gekennzeichnet.",
            "Mit der Anzeige vergleichen: edgectl read ZÄHLER. Andere Zahl: falsches Profil, falsche Wortfolge oder falscher "
            "Typ (docs/profiles.md). Zähler getauscht: edgectl exchange ZÄHLER --serial NEU. Gleiche Zahl: der Zähler selbst.",
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
    FaultCode.METER_KEY_MISSING: {
        "en": FaultText(
            "The meter encrypts, and no key is configured for it: it has no values.",
            "Ask the grid operator for the meter's key (customers may), then: edge-agent import-keys TABLE.csv, "
            "and restart the agent.",
        ),
        "de": FaultText(
            "Der Zähler verschlüsselt, und für ihn ist kein Schlüssel konfiguriert: er hat keine Werte.",
            "Schlüssel beim Netzbetreiber anfordern (Kunden steht er zu), dann: edge-agent import-keys "
            "TABELLE.csv, und den Agenten neu starten.",
        ),
    },
    FaultCode.METER_KEY_WRONG: {
        "en": FaultText(
            "The configured key does not open this meter's telegrams.",
            "Compare the serial number in the utility's letter with the meter's, and key and authentication key "
            "digit by digit; after a meter exchange the new meter's keys are needed.",
        ),
        "de": FaultText(
            "Der konfigurierte Schlüssel öffnet die Telegramme dieses Zählers nicht.",
            "Nummer im Schreiben des Netzbetreibers mit der des Zählers vergleichen, Schlüssel und "
            "Authentisierungsschlüssel Ziffer für Ziffer; nach einem Zählerwechsel gelten die des neuen Zählers.",
        ),
    },
    FaultCode.METER_PLAIN: {
        "en": FaultText(
            "The meter sends plain text although a key is configured for it: nothing of that counts.",
            "If this meter does not encrypt, remove its entry from the key file and restart the agent. If it "
            "should, see what was connected in its place.",
        ),
        "de": FaultText(
            "Der Zähler sendet Klartext, obwohl für ihn ein Schlüssel konfiguriert ist: nichts davon zählt.",
            "Verschlüsselt dieser Zähler nicht, seinen Eintrag aus der Schlüsseldatei entfernen und den Agenten "
            "neu starten. Sollte er es tun: nachsehen, was an seiner Stelle angeschlossen wurde.",
        ),
    },
    FaultCode.METER_UNAUTHENTICATED: {
        "en": FaultText(
            "Telegrams came without the tag that proves who wrote them; nothing of them counts.",
            "If the operator says that this meter sends none, remove its authentication key from the key file and "
            "restart the agent. If it should, see who else is connected to the line.",
        ),
        "de": FaultText(
            "Es kamen Telegramme ohne das Tag, das ihren Absender beweist; nichts davon zählt.",
            "Sendet dieser Zähler laut Betreiber keines, seinen Authentisierungsschlüssel aus der Schlüsseldatei "
            "entfernen und den Agenten neu starten. Sonst nachsehen, wer noch an der Leitung angeschlossen ist.",
        ),
    },
    FaultCode.METER_REPLAY: {
        "en": FaultText(
            "An old telegram of the meter came once more (its invocation counter did not rise); it does not count.",
            "See what is connected to the line besides the meter. After a meter exchange with the same keys, restart "
            "the agent once.",
        ),
        "de": FaultText(
            "Ein altes Telegramm des Zählers kam noch einmal (sein Invocation Counter stieg nicht); es zählt nicht.",
            "Nachsehen, was außer dem Zähler an der Leitung angeschlossen ist. Nach einem Zählerwechsel mit gleichen "
            "Schlüsseln den Agenten einmal neu starten.",
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
    FaultCode.METER_MODELS: {
        "en": FaultText(
            "The device answers, but offers no SunSpec, or not the models that its profile reads.",
            "In the device's menu switch on Modbus and SunSpec, and compare the unit number. Then see what it "
            "has: edgectl probe LINE UNIT.",
        ),
        "de": FaultText(
            "Das Gerät antwortet, bietet aber kein SunSpec oder nicht die Modelle, die sein Profil liest.",
            "Im Menü des Geräts Modbus und SunSpec einschalten und die Adresse vergleichen. Dann ansehen, was "
            "es hat: edgectl probe LEITUNG ADRESSE.",
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
    FaultCode.MODEM_SIM_PUK: {
        "en": FaultText(
            "The SIM is locked and wants its PUK. No restart cures that; readings are kept.",
            "Ask the operator or the SIM's owner for the PUK, unlock the SIM in a phone, set the PIN of "
            "[modem] pin_file, put it back.",
        ),
        "de": FaultText(
            "Die SIM ist gesperrt und will ihre PUK. Kein Neustart hilft; Messwerte bleiben erhalten.",
            "PUK beim Betreiber oder Inhaber der SIM erfragen, die SIM in einem Telefon entsperren, PIN wie in "
            "[modem] pin_file setzen, wieder einstecken.",
        ),
    },
    FaultCode.MODEM_SIM_PIN: {
        "en": FaultText(
            "The SIM wants its PIN. It is tried once by itself and never again.",
            "Write the right PIN into the file of [modem] pin_file (chmod 600), then restart the agent. Or "
            "switch the PIN off in a phone.",
        ),
        "de": FaultText(
            "Die SIM will ihre PIN. Von selbst wird sie einmal versucht, nie öfter.",
            "Die richtige PIN in die Datei aus [modem] pin_file schreiben (chmod 600), dann den Agenten neu "
            "starten. Oder die PIN in einem Telefon abschalten.",
        ),
    },
    FaultCode.MODEM_SIM_MISSING: {
        "en": FaultText(
            "The modem finds no SIM, or one that it cannot read.",
            "Take the SIM out, look at its contacts and direction, put it back until it clicks; try another one.",
        ),
        "de": FaultText(
            "Das Modem findet keine SIM oder kann sie nicht lesen.",
            "SIM herausnehmen, Kontakte und Richtung ansehen, bis zum Klicken einstecken; eine andere versuchen.",
        ),
    },
    FaultCode.MODEM_APN: {
        "en": FaultText(
            "The network refuses the access point (APN). No restart cures that; it is tried every 6 hours.",
            "Compare [modem] apn, letter by letter, with what the SIM's operator states, then restart the agent.",
        ),
        "de": FaultText(
            "Das Netz lehnt den Zugangspunkt (APN) ab. Kein Neustart hilft; versucht wird alle 6 Stunden.",
            "[modem] apn Buchstabe für Buchstabe mit der Angabe des Betreibers vergleichen, dann den Agenten neu "
            "starten.",
        ),
    },
    FaultCode.MODEM_DENIED: {
        "en": FaultText(
            "The network does not admit this SIM or this modem.",
            "Ask the operator whether the SIM is active and may be used here, abroad, and in this device (IMEI).",
        ),
        "de": FaultText(
            "Das Netz lässt diese SIM oder dieses Modem nicht zu.",
            "Beim Betreiber fragen, ob die SIM aktiv ist und hier, im Ausland und in diesem Gerät (IMEI) gelten "
            "darf.",
        ),
    },
    FaultCode.MODEM_ROAMING: {
        "en": FaultText(
            "Only a foreign network is heard, and roaming is not allowed here.",
            "Near a border, turn or move the antenna. If roaming is paid for, set [modem] roaming = true.",
        ),
        "de": FaultText(
            "Nur ein fremdes Netz ist zu hören, und Roaming ist hier nicht erlaubt.",
            "An einer Grenze die Antenne drehen oder versetzen. Ist Roaming bezahlt: [modem] roaming = true.",
        ),
    },
    FaultCode.MODEM_NO_SIGNAL: {
        "en": FaultText(
            "No mobile network is heard, or it is too weak. Readings are kept.",
            "Check antenna, plug and cable; move the antenna out of the metal, up or to a window. See edgectl modem.",
        ),
        "de": FaultText(
            "Kein Mobilfunknetz ist zu hören, oder es ist zu schwach. Messwerte bleiben erhalten.",
            "Antenne, Stecker und Kabel prüfen; Antenne aus dem Metall heraus, höher oder ans Fenster. Siehe "
            "edgectl modem.",
        ),
    },
    FaultCode.MODEM_GONE: {
        "en": FaultText(
            "The modem is not there: it is not seen on the bus.",
            "Check its plug and its supply (lsusb). Is it there again, everything resumes by itself.",
        ),
        "de": FaultText(
            "Das Modem ist nicht da: am Bus ist keines zu sehen.",
            "Stecker und Versorgung prüfen (lsusb). Ist es wieder da, geht alles von selbst weiter.",
        ),
    },
    FaultCode.MODEM_SILENT: {
        "en": FaultText(
            "The modem is there and does not answer. Repairs are under way.",
            "Wait for them: edgectl modem shows what comes next. If all were in vain, cut the modem's supply for "
            "a minute.",
        ),
        "de": FaultText(
            "Das Modem ist da und antwortet nicht. Es wird schon versucht, es zu beleben.",
            "Abwarten: edgectl modem zeigt, was als Nächstes kommt. War alles vergeblich: Versorgung des Modems "
            "für eine Minute trennen.",
        ),
    },
    FaultCode.MODEM_SERVICE: {
        "en": FaultText(
            "ModemManager does not run or does not answer.",
            "Look why: systemctl status ModemManager; start it: sudo systemctl restart ModemManager.",
        ),
        "de": FaultText(
            "ModemManager läuft nicht oder antwortet nicht.",
            "Nachsehen: systemctl status ModemManager; starten: sudo systemctl restart ModemManager.",
        ),
    },
    FaultCode.MODEM_AMBIGUOUS: {
        "en": FaultText(
            "There are several modems, and the configuration does not say which.",
            "Write the right one's IMEI into [modem] device (mmcli -L lists them), then restart the agent.",
        ),
        "de": FaultText(
            "Es gibt mehrere Modems, und die Konfiguration sagt nicht, welches gilt.",
            "Die IMEI des richtigen in [modem] device schreiben (mmcli -L listet sie), dann den Agenten neu starten.",
        ),
    },
    FaultCode.MODEM_BUDGET: {
        "en": FaultText(
            "The data of this billing period are nearly or all used.",
            "See edgectl modem for the forecast. Lengthen batch_interval_s or read less often; or buy more data "
            "and raise the budget.",
        ),
        "de": FaultText(
            "Das Datenvolumen dieses Abrechnungszeitraums ist fast oder ganz verbraucht.",
            "Prognose: edgectl modem. batch_interval_s verlängern oder seltener lesen; oder mehr Volumen kaufen "
            "und das Budget erhöhen.",
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
    "help.exchange": (
        "Enter that a meter was exchanged: the new serial number, and what the displays showed.",
        "Einen Zählertausch eintragen: die neue Seriennummer, und was die Anzeigen zeigten.",
    ),
    "help.new-serial": (
        "Serial number of the new meter, as on its type plate.",
        "Seriennummer des neuen Zählers, wie auf dem Typenschild.",
    ),
    "help.end": (
        "What the old meter showed at last: VALUE of its main counter, or QUANTITY=VALUE; may be repeated. Not given: as read last.",
        "Was der alte Zähler zuletzt zeigte: STAND seines Hauptzählwerks, oder GRÖSSE=STAND; mehrfach möglich. Ohne Angabe: wie zuletzt gelesen.",
    ),
    "help.start": (
        "What the new meter showed at first: VALUE or QUANTITY=VALUE; may be repeated.",
        "Was der neue Zähler zuerst zeigte: STAND oder GRÖSSE=STAND; mehrfach möglich.",
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
    "help.search": (
        "Find the meters of an M-Bus loop, also while it is being read.",
        "Die Zähler einer M-Bus-Schleife suchen, auch während sie gelesen wird.",
    ),
    "help.primary": (
        "Ask each primary address, 0 to 250, instead of searching by selection.",
        "Jede Primäradresse, 0 bis 250, fragen, statt durch Auswahl zu suchen.",
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
    "status.unverified": (
        "{count} values unverified, compare with the display (docs/meters.md): {meters}",
        "{count} Werte ungeprüft, mit der Anzeige vergleichen (docs/meters.md): {meters}",
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
    "decode.unauthenticated": ("not authenticated", "nicht authentifiziert"),
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
    "stretch.fcs": (
        "The checksum is wrong: a frame damaged on its way. Check wiring and character format.",
        "Die Prüfsumme ist falsch: ein unterwegs beschädigter Rahmen. Verdrahtung und Zeichenformat prüfen.",
    ),
    "stretch.checksum": (
        "The checksum is wrong: a frame damaged on its way. Check wiring and character format.",
        "Die Prüfsumme ist falsch: ein unterwegs beschädigter Rahmen. Verdrahtung und Zeichenformat prüfen.",
    ),
    "stretch.segment": (
        "A part of the telegram was lost on its way. Check wiring and baud rate.",
        "Ein Teil des Telegramms ging unterwegs verloren. Verdrahtung und Baudrate prüfen.",
    ),
    "stretch.block": (
        "A block of the telegram was lost on its way. Check wiring and baud rate.",
        "Ein Block des Telegramms ging unterwegs verloren. Verdrahtung und Baudrate prüfen.",
    ),
    "stretch.key_missing": (
        "Encrypted: give the meter's key by --key, and --auth-key where its operator gave one.",
        "Verschlüsselt: Schlüssel des Zählers mit --key angeben, und --auth-key, wo der Betreiber einen nannte.",
    ),
    "stretch.tag": (
        "The tag does not fit: compare both keys with the operator's letter. Where they are right, it is forged.",
        "Das Tag passt nicht: beide Schlüssel mit dem Brief des Betreibers vergleichen. Stimmen sie, ist es gefälscht.",
    ),
    "stretch.apdu": (
        "A whole frame that is no push: somebody reads this meter, or another protocol.",
        "Ein ganzer Rahmen, aber kein Push: jemand liest diesen Zähler, oder ein anderes Protokoll.",
    ),
    "stretch.length": (
        "A length in it cannot be right: damaged on the way, or no M-Bus.",
        "Eine Länge darin kann nicht stimmen: auf dem Weg beschädigt, oder kein M-Bus.",
    ),
    "stretch.stop": (
        "It does not end with its stop byte (16): damaged on the way.",
        "Es endet nicht mit seinem Endebyte (16): auf dem Weg beschädigt.",
    ),
    "stretch.header": (
        "Too short for its header: the meter, or who recorded it, cut it.",
        "Zu kurz für seinen Kopf: vom Zähler oder bei der Aufzeichnung gekürzt.",
    ),
    "stretch.ci": (
        "A whole frame, but of a kind that no meter answers with (CI field).",
        "Ein ganzer Rahmen, aber von einer Art, mit der kein Zähler antwortet (CI-Feld).",
    ),
    "stretch.compact": (
        "A compact frame: what its values mean stands in another telegram (format frame); these are not decoded.",
        "Ein kompakter Rahmen: was seine Werte bedeuten, steht in einem anderen Telegramm (Formatrahmen); solche "
        "werden nicht dekodiert.",
    ),
    "stretch.dif": (
        "A data record begins with a byte that begins none (DIF): the meter breaks the standard.",
        "Ein Datensatz beginnt mit einem Byte, mit dem keiner beginnt (DIF): der Zähler hält die Norm nicht ein.",
    ),
    "stretch.dife": (
        "A data record with more than 10 DIFE: the meter breaks the standard.",
        "Ein Datensatz mit mehr als 10 DIFE: der Zähler hält die Norm nicht ein.",
    ),
    "stretch.vife": (
        "A data record with more than 10 VIFE: the meter breaks the standard.",
        "Ein Datensatz mit mehr als 10 VIFE: der Zähler hält die Norm nicht ein.",
    ),
    "stretch.lvar": (
        "A value whose length is none (LVAR): the meter breaks the standard.",
        "Ein Wert, dessen Länge keine ist (LVAR): der Zähler hält die Norm nicht ein.",
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
    "span.dlms.flag": ("frame flag", "Rahmenzeichen"),
    "span.dlms.format": ("length, + goes on", "Länge, + geht weiter"),
    "span.dlms.destination": ("destination address", "Zieladresse"),
    "span.dlms.source": ("source address", "Quelladresse"),
    "span.dlms.control": ("control", "Steuerbyte"),
    "span.dlms.hcs": ("header checksum: right", "Kopf-Prüfsumme: richtig"),
    "span.dlms.hcs-wrong": ("HEADER CHECKSUM WRONG, right is", "KOPF-PRÜFSUMME FALSCH, richtig wäre"),
    "span.dlms.fcs": ("checksum: right", "Prüfsumme: richtig"),
    "span.dlms.fcs-wrong": ("CHECKSUM WRONG, right is", "PRÜFSUMME FALSCH, richtig wäre"),
    "span.dlms.llc": ("LLC", "LLC"),
    "span.dlms.mbus-start": ("M-Bus frame, length", "M-Bus-Rahmen, Länge"),
    "span.dlms.mbus-address": ("control, address", "Steuerbyte, Adresse"),
    "span.dlms.mbus-segment": ("segment, = last", "Segment, = letztes"),
    "span.dlms.mbus-service": ("service points", "Dienstpunkte"),
    "span.dlms.mbus-end": ("end of frame", "Rahmenende"),
    "span.dlms.block": ("block, = last", "Block, = letzter"),
    "span.dlms.ciphered": ("General-Glo-Ciphering", "General-Glo-Ciphering"),
    "span.dlms.title": ("system title", "System Title"),
    "span.dlms.length": ("bytes that follow", "folgende Byte"),
    "span.dlms.security": (
        "security control, 30: encrypted with tag, 20: without",
        "Security Control, 30: verschlüsselt mit Tag, 20: ohne",
    ),
    "span.dlms.counter": ("invocation counter", "Invocation Counter"),
    "span.dlms.ciphertext": ("encrypted", "verschlüsselt"),
    "span.dlms.tag": ("tag", "Tag"),
    "span.dlms.notification": ("Data-Notification", "Data-Notification"),
    "span.dlms.invoke-id": ("invoke id", "Invoke-ID"),
    "span.dlms.header-time": ("date", "Datum"),
    "span.dlms.null": ("null", "null"),
    "span.dlms.array": ("array of", "Array von"),
    "span.dlms.structure": ("structure of", "Struktur von"),
    "span.dlms.compact-array": ("compact array, bytes", "Compact Array, Byte"),
    "span.dlms.boolean": ("boolean", "Wahrheitswert"),
    "span.dlms.bit-string": ("bit string", "Bitfolge"),
    "span.dlms.octets": ("octets", "Oktette"),
    "span.dlms.text": ("text", "Text"),
    "span.dlms.enum": ("enum", "Enum"),
    "span.dlms.scaler": ("scaler", "Scaler"),
    "span.dlms.unit": ("unit", "Einheit"),
    "span.dlms.float": ("floating-point number", "Gleitkommazahl"),
    "span.dlms.date-time": ("date and time", "Datum und Uhrzeit"),
    "span.dlms.date": ("date", "Datum"),
    "span.dlms.time-of-day": ("time", "Uhrzeit"),
    "span.dlms.bcd": ("BCD", "BCD"),
    "span.dlms.dont-care": ("not stated", "nicht angegeben"),
    "span.dlms.descriptor": ("class, OBIS, attribute", "Klasse, OBIS, Attribut"),
    "span.dlms.obis": ("OBIS", "OBIS"),
    "span.dlms.number": ("number", "Zahl"),
    # what M-Bus telegrams say, and their bytes
    "decode.mbus": (
        "maker {maker} · version {version} · medium: {medium}",
        "Hersteller {maker} · Version {version} · Medium: {medium}",
    ),
    "decode.mbus-status": ("the meter reports: {status}", "der Zähler meldet: {status}"),
    "head.place": ("WHICH", "WELCHER"),
    "mbus-status.1": ("busy", "beschäftigt"),
    "mbus-status.2": ("an error", "ein Fehler"),
    "mbus-status.3": ("an abnormal condition", "ein ungewöhnlicher Zustand"),
    "mbus-status.4": ("battery or supply low", "Batterie oder Versorgung schwach"),
    "mbus-status.8": ("permanent error", "dauerhafter Fehler"),
    "mbus-status.16": ("temporary error", "vorübergehender Fehler"),
    "mbus-status.32": ("bit 5 (maker's manual)", "Bit 5 (Handbuch des Herstellers)"),
    "mbus-status.64": ("bit 6 (maker's manual)", "Bit 6 (Handbuch des Herstellers)"),
    "mbus-status.128": ("bit 7 (maker's manual)", "Bit 7 (Handbuch des Herstellers)"),
    "mbus-function.maximum": ("maximum", "Maximum"),
    "mbus-function.minimum": ("minimum", "Minimum"),
    "mbus-function.error": ("during an error", "während eines Fehlers"),
    "mbus-storage": ("storage {number}", "Speicher {number}"),
    "mbus-tariff": ("tariff {number}", "Tarif {number}"),
    "mbus-subunit": ("subunit {number}", "Subunit {number}"),
    "mbus-reason.no_data": ("no data", "keine Daten"),
    "mbus-reason.not_available": ("no value", "kein Wert"),
    "mbus-reason.invalid_digits": ("no number", "keine Zahl"),
    "mbus-reason.invalid_time": ("clock not set", "Uhr nicht gestellt"),
    "mbus-reason.no_data_available": ("no data", "keine Daten"),
    "mbus-reason.data_overflow": ("overflow", "Überlauf"),
    "mbus-reason.data_underflow": ("underflow", "Unterlauf"),
    "mbus-reason.data_error": ("data error", "Datenfehler"),
    "medium.0": ("other", "sonstiges"),
    "medium.1": ("oil", "Öl"),
    "medium.2": ("electricity", "Strom"),
    "medium.3": ("gas", "Gas"),
    "medium.4": ("heat (sensor in the return)", "Wärme (Sensor im Rücklauf)"),
    "medium.5": ("steam", "Dampf"),
    "medium.6": ("warm water", "Warmwasser"),
    "medium.7": ("water", "Wasser"),
    "medium.8": ("heat cost allocator", "Heizkostenverteiler"),
    "medium.9": ("compressed air", "Druckluft"),
    "medium.10": ("cooling (sensor in the return)", "Kälte (Sensor im Rücklauf)"),
    "medium.11": ("cooling (sensor in the flow)", "Kälte (Sensor im Vorlauf)"),
    "medium.12": ("heat (sensor in the flow)", "Wärme (Sensor im Vorlauf)"),
    "medium.13": ("heat and cooling", "Wärme und Kälte"),
    "medium.14": ("bus or system", "Bus oder System"),
    "medium.15": ("unknown", "unbekannt"),
    "medium.21": ("hot water", "Heißwasser"),
    "medium.22": ("cold water", "Kaltwasser"),
    "medium.23": ("dual water", "Mischwasser"),
    "medium.24": ("pressure", "Druck"),
    "medium.25": ("A/D converter", "A/D-Wandler"),
    "medium.26": ("smoke detector", "Rauchmelder"),
    "medium.27": ("room sensor", "Raumsensor"),
    "medium.28": ("gas detector", "Gasmelder"),
    "medium.40": ("waste water", "Abwasser"),
    "mbus-ci.50": ("application reset", "Anwendung zurücksetzen"),
    "mbus-ci.51": ("data to the meter", "Daten an den Zähler"),
    "mbus-ci.52": ("select a meter", "Zähler auswählen"),
    "mbus-ci.70": ("application error", "Anwendungsfehler"),
    "mbus-ci.72": ("variable structure, long header", "variable Struktur, langer Kopf"),
    "mbus-ci.73": ("fixed structure", "feste Struktur"),
    "mbus-ci.76": ("variable structure, high byte first", "variable Struktur, hohes Byte zuerst"),
    "mbus-ci.77": ("fixed structure, high byte first", "feste Struktur, hohes Byte zuerst"),
    "mbus-ci.78": ("records without header", "Datensätze ohne Kopf"),
    "mbus-ci.7A": ("variable structure, short header", "variable Struktur, kurzer Kopf"),
    "mbus-error.0": ("unspecified", "nicht näher bestimmt"),
    "mbus-error.1": ("CI field not known to it", "kennt das CI-Feld nicht"),
    "mbus-error.2": ("too long", "zu lang"),
    "mbus-error.3": ("too many records", "zu viele Datensätze"),
    "mbus-error.4": ("premature end of a record", "Datensatz endet zu früh"),
    "mbus-error.5": ("more than 10 DIFE", "mehr als 10 DIFE"),
    "mbus-error.6": ("more than 10 VIFE", "mehr als 10 VIFE"),
    "mbus-error.8": ("too busy", "zu beschäftigt"),
    "mbus-error.9": ("too many read-outs", "zu oft ausgelesen"),
    "span.mbus.ack": ("acknowledgement", "Quittung"),
    "span.mbus.short": ("start, short frame", "Beginn, kurzer Rahmen"),
    "span.mbus.start": ("start, length twice, start", "Beginn, Länge zweimal, Beginn"),
    "span.mbus.control": ("C field", "C-Feld"),
    "span.mbus.address": ("A field: primary address", "A-Feld: Primäradresse"),
    "span.mbus.ci": ("CI field", "CI-Feld"),
    "span.mbus.id": ("identification number", "Identnummer"),
    "span.mbus.manufacturer": ("maker", "Hersteller"),
    "span.mbus.version": ("version", "Version"),
    "span.mbus.medium": ("medium", "Medium"),
    "span.mbus.access": ("access number", "Zugriffszähler"),
    "span.mbus.status": (
        "status, bit 7 first; 2: battery, 3, 4: error",
        "Status, Bit 7 zuerst; 2: Batterie, 3, 4: Fehler",
    ),
    "span.mbus.configuration": ("configuration (signature)", "Konfiguration (Signatur)"),
    "span.mbus.medium-units": ("medium and both units", "Medium und beide Einheiten"),
    "span.mbus.counter": ("counter", "Zählwerk"),
    "span.mbus.encrypted": ("encrypted records", "verschlüsselte Datensätze"),
    "span.mbus.application-error": ("the meter refuses", "der Zähler lehnt ab"),
    "span.mbus.filler": ("filler", "Füllbyte"),
    "span.mbus.dif": ("DIF", "DIF"),
    "span.mbus.dife": ("DIFE", "DIFE"),
    "span.mbus.vif": ("VIF", "VIF"),
    "span.mbus.vife": ("VIFE", "VIFE"),
    "span.mbus.lvar": ("length of the value", "Länge des Werts"),
    "span.mbus.data": ("value", "Wert"),
    "span.mbus.manufacturer-follows": ("DIF: maker's data follow", "DIF: Herstellerdaten folgen"),
    "span.mbus.more-follows": (
        "DIF: more in the next telegram; maker's data follow",
        "DIF: mehr im nächsten Telegramm; Herstellerdaten folgen",
    ),
    "span.mbus.manufacturer-data": ("maker's own data", "eigene Daten des Herstellers"),
    "span.mbus.checksum": ("checksum: right", "Prüfsumme: richtig"),
    "span.mbus.checksum-wrong": ("CHECKSUM WRONG, right is", "PRÜFSUMME FALSCH, richtig wäre"),
    "span.mbus.stop": ("stop", "Ende"),
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
    "exchange.ask": (
        "{meter}: the device {old} was replaced by {new}. End: {end}. Start: {start}. The agent then begins anew. Right?",
        "{meter}: das Gerät {old} wurde durch {new} ersetzt. Endstand: {end}. Anfangsstand: {start}. Der Agent beginnt danach neu. Richtig?",
    ),
    "exchange.unnamed": ("(without number)", "(ohne Nummer)"),
    "exchange.as-read": ("as read last", "wie zuletzt gelesen"),
    "exchange.none": ("none", "keiner"),
    "exchange.done": (
        "{meter} is {new} from now on (was {old}); its counters are compared anew. Enter {new} in the configuration, too.",
        "{meter} ist von nun an {new} (war {old}); seine Zählerstände werden neu verglichen. {new} auch in die Konfiguration eintragen.",
    ),
    "status.exchanged": (
        "{meter}: exchanged, {old} → {new}; the configuration still has the old serial number.",
        "{meter}: getauscht, {old} → {new}; in der Konfiguration steht noch die alte Seriennummer.",
    ),
    "error.NotExchanged": (
        "{meter}: the exchange was not entered: {evidence}.",
        "{meter}: der Tausch wurde nicht eingetragen: {evidence}.",
    ),
    "error.NotCalibrated": (
        "{meter} was not calibrated: {evidence}.",
        "{meter} wurde nicht eingestellt: {evidence}.",
    ),
    "error.Busy": (
        "The agent already has {connections_max} connections. Close other edgectl windows.",
        "Der Agent hat schon {connections_max} Verbindungen. Andere edgectl-Fenster schließen.",
    ),
    "error.NotAsked": (
        "Nothing was sent to line {line}: {evidence}.",
        "An Leitung {line} wurde nichts gesendet: {evidence}.",
    ),
    "error.NotSearched": (
        "Line {line} was not searched: {evidence}.",
        "Leitung {line} wurde nicht durchsucht: {evidence}.",
    ),
    "error.NoModbus": (
        "probe asks Modbus devices; {line} is a {protocol} line.",
        "probe fragt Modbus-Geräte; {line} ist eine {protocol}-Leitung.",
    ),
    "error.WrongUnits": (
        "{units} is no unit number: right is one from {lowest} to {last}, or a range of at most {units_max}, as 1-20.",
        "{units} ist keine Adresse: richtig ist eine von {lowest} bis {last} oder ein Bereich von höchstens {units_max}, etwa 1-20.",
    ),
    "error.PortUnavailable": (
        "{url} cannot be opened: {evidence}.",
        "{url} lässt sich nicht öffnen: {evidence}.",
    ),
    # probe
    "help.probe": (
        "Ask who answers at a unit of a Modbus line: maker, model, serial number, and the profiles that fit.",
        "Fragen, wer an einer Adresse einer Modbus-Leitung antwortet: Hersteller, Modell, Seriennummer und die passenden Profile.",
    ),
    "help.line": ("The line's id in the configuration.", "Die id der Leitung in der Konfiguration."),
    "help.unit": ("Unit number, or a range as 1-20.", "Adresse (Unit) oder ein Bereich, etwa 1-20."),
    "help.units": ("The same as an option.", "Dasselbe als Option."),
    "help.url": (
        "Without the agent: open this port, as tcp://192.168.1.20:502 or serial:///dev/ttyUSB0.",
        "Ohne den Agenten: diesen Anschluss öffnen, etwa tcp://192.168.1.20:502 oder serial:///dev/ttyUSB0.",
    ),
    "help.line-protocol": (
        "With --url: what is spoken there. Else Modbus TCP on tcp://, RTU on serial://.",
        "Mit --url: was dort gesprochen wird. Sonst Modbus TCP bei tcp://, RTU bei serial://.",
    ),
    "help.baud": ("With --url: baud rate (9600).", "Mit --url: Baudrate (9600)."),
    "help.format": ("With --url: character format (8N1).", "Mit --url: Zeichenformat (8N1)."),
    "probe.usage": (
        "Say which line: edgectl probe LINE [UNIT], or without the agent edgectl probe --url URL --unit UNIT.",
        "Welche Leitung? edgectl probe LEITUNG [ADRESSE], oder ohne den Agenten edgectl probe --url URL --unit ADRESSE.",
    ),
    "probe.instead": (
        "edgectl read METER asks a configured meter; edgectl status shows what came.",
        "edgectl read ZÄHLER fragt einen eingetragenen Zähler; edgectl status zeigt, was kam.",
    ),
    "probe.instead.sml": (
        "The meter names itself in each telegram: edgectl read METER shows the number that it sends.",
        "Der Zähler nennt sich in jedem Telegramm: edgectl read ZÄHLER zeigt die gesendete Nummer.",
    ),
    "probe.instead.p1": (
        "The meter names itself in each telegram: edgectl read METER shows the number that it sends.",
        "Der Zähler nennt sich in jedem Telegramm: edgectl read ZÄHLER zeigt die gesendete Nummer.",
    ),
    "probe.instead.d0-push": (
        "The meter names itself in each telegram: edgectl read METER shows the number that it sends.",
        "Der Zähler nennt sich in jedem Telegramm: edgectl read ZÄHLER zeigt die gesendete Nummer.",
    ),
    "probe.instead.mbus": (
        "edgectl search LINE finds the meters of an M-Bus loop.",
        "edgectl search LEITUNG findet die Zähler einer M-Bus-Schleife.",
    ),
    "probe.instead.s0": (
        "Pulses do not say whose they are: compare the type plate, and enter its display with edgectl calibrate.",
        "Impulse sagen nicht, von wem sie sind: Typenschild vergleichen und den Stand mit edgectl calibrate eintragen.",
    ),
    # search
    "search.begins": (
        "Searching; readings go on in between. Ctrl-C ends it.",
        "Suche läuft; gelesen wird dazwischen weiter. Strg-C beendet sie.",
    ),
    "search.progress": (
        "{found} found after {duration}, {probes} probes",
        "{found} gefunden nach {duration}, {probes} Versuche",
    ),
    "search.title": (
        "{count} meters on {line}: {probes} probes, {line_time} s of line time ({duration} in all)",
        "{count} Zähler an {line}: {probes} Versuche, {line_time} s Leitungszeit ({duration} insgesamt)",
    ),
    "search.collision": (
        "More than one meter answers to {address}, and nothing tells them apart.",
        "Auf {address} antwortet mehr als ein Zähler, und nichts unterscheidet sie.",
    ),
    "search.collision.step": (
        "Take one of them off the loop and search again; give meters with equal primary addresses other ones.",
        "Einen davon abklemmen und neu suchen; Zählern mit gleicher Primäradresse verschiedene geben.",
    ),
    "search.slow": (
        "A meter answers later than the standard allows.",
        "Ein Zähler antwortet später, als die Norm erlaubt.",
    ),
    "search.slow.step": (
        "Set reply_timeout_s of this line to 1.0 and search again: no meter may be missing then.",
        "reply_timeout_s dieser Leitung auf 1.0 setzen und neu suchen: dann darf keiner fehlen.",
    ),
    "search.cut": (
        "The search was ended after its greatest number of probes; there may be more meters.",
        "Die Suche endete nach der größten Zahl von Versuchen; es kann weitere Zähler geben.",
    ),
    "search.cut.step": (
        "Search branch by branch; much noise on the loop makes a search endless.",
        "Strang für Strang suchen; starke Störungen machen eine Suche endlos.",
    ),
    "search.nothing": ("No meter answers.", "Kein Zähler antwortet."),
    "search.nothing.step": (
        "Measure the loop's voltage (24 to 42 V) at the meters; compare baud (2400, older meters 300).",
        "Spannung der Schleife (24 bis 42 V) an den Zählern messen; baud vergleichen (2400, ältere 300).",
    ),
    "head.secondary": ("Secondary", "Sekundär"),
    "head.primary": ("Primary", "Primär"),
    "head.maker": ("Maker", "Hersteller"),
    "head.medium": ("Medium", "Medium"),
    "head.version": ("Version", "Version"),
    "head.configured": ("Configured as", "Eingetragen als"),
    "probe.answers": ("Unit {unit} on {line} answers.", "Adresse {unit} an {line} antwortet."),
    "probe.silent": ("No answer on {line}: unit {units}.", "Keine Antwort an {line}: Adresse {units}."),
    "probe.corrupt": (
        "Unit {unit} on {line}: bytes come, and no answer can be read from them.",
        "Adresse {unit} an {line}: es kommen Bytes, aber keine lesbare Antwort.",
    ),
    "probe.no-path": (
        "A gateway answers on {line}: it has no way to unit {unit}.",
        "An {line} antwortet ein Gateway: es hat keinen Weg zu Adresse {unit}.",
    ),
    "probe.behind-gateway-silent": (
        "A gateway answers on {line}: behind it, unit {unit} does not.",
        "An {line} antwortet ein Gateway: dahinter antwortet Adresse {unit} nicht.",
    ),
    "probe.maker": ("Maker", "Hersteller"),
    "probe.model": ("Model", "Modell"),
    "probe.version": ("Version", "Version"),
    "probe.serial": ("Serial number", "Seriennummer"),
    "probe.untold": ("-", "-"),
    "probe.source": ("Asked for", "Gefragt nach"),
    "probe.said": ("Answer", "Antwort"),
    "probe.conformity": ("conformity: {level}", "Stufe: {level}"),
    "probe.models": ("at register {base}: models {models}", "ab Register {base}: Modelle {models}"),
    "probe.no-sunspec": ("no SunSpec device", "kein SunSpec-Gerät"),
    "probe.offer.unasked": ("not asked", "nicht gefragt"),
    "probe.offer.unsupported": ("the device does not know this", "das Gerät kennt das nicht"),
    "probe.offer.refused": ("refused", "verweigert"),
    "probe.offer.silent": ("no answer", "keine Antwort"),
    "probe.offer.corrupt": ("unreadable", "nicht lesbar"),
    "probe.offer.broken": ("contradicts itself", "widerspricht sich"),
    "probe.fits": ("Profiles that fit, the best first:", "Passende Profile, das beste zuerst:"),
    "probe.no-fit": (
        "No profile fits. Compare the type plate with docs/meters.md; docs/profiles.md says how to write one.",
        "Kein Profil passt. Typenschild mit docs/meters.md vergleichen; docs/profiles.md sagt, wie man eines schreibt.",
    ),
    "probe.why.type-code": ("type code {code} at {register}", "Typkennung {code} in {register}"),
    "probe.why.models": ("SunSpec model {models}", "SunSpec-Modell {models}"),
    "probe.why.product": ("says that it is {product}", "nennt sich {product}"),
    "probe.why.maker": ("made by {maker}", "Hersteller {maker}"),
    "probe.why.plausible": ("{quantity} {value} {unit}", "{quantity} {value} {unit}"),
    "probe.why.serial": ("serial number {serial}", "Seriennummer {serial}"),
    "probe.why.values": ("{values} of {points} values there", "{values} von {points} Werten vorhanden"),
    "probe.configured": (
        "In the configuration it is {meter}, profile {profile}.",
        "In der Konfiguration ist es {meter}, Profil {profile}.",
    ),
    "probe.tie": (
        "Several profiles fit equally well: the type plate decides.",
        "Mehrere Profile passen gleich gut: das Typenschild entscheidet.",
    ),
    "probe.add": (
        "To have it read, add to the configuration:",
        "Damit es gelesen wird, in die Konfiguration eintragen:",
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
    # outbox
    "help.outbox": (
        "What waits for the backend; with `explain`: how long buffer and card last.",
        "Was auf das Backend wartet; mit `explain`: wie lange Puffer und Karte reichen.",
    ),
    "help.outbox-about": (
        "explain: figures, and where each comes from.",
        "explain: Zahlen, und woher jede kommt.",
    ),
    "outbox.size": ("{size} of {size_max} for messages", "{size} von {size_max} für Nachrichten"),
    "outbox.empty": ("no messages", "keine Nachrichten"),
    "outbox.head.stream": ("stream", "Strom"),
    "outbox.head.unsent": ("unsent", "ungesendet"),
    "outbox.head.published": ("at broker", "am Broker"),
    "outbox.head.acknowledged": ("received", "empfangen"),
    "outbox.head.size": ("size", "Größe"),
    "outbox.head.oldest": ("oldest waits", "älteste wartet"),
    "outbox.ended": ("{stream} ended", "{stream} beendet"),
    "outbox.boot": ("since boot {boot}", "seit Start {boot}"),
    "outbox.puback": (
        "Messages are freed by the broker's word, not by the backend's (free_on).",
        "Nachrichten werden auf das Wort des Brokers freigegeben, nicht des Backends (free_on).",
    ),
    "outbox.files": (
        "The agent does not answer: this is what its files tell.",
        "Der Agent antwortet nicht: so viel sagen seine Dateien.",
    ),
    "explain.offline": ("Without a link to the backend", "Ohne Verbindung zum Backend"),
    "explain.sealed": ("sealed messages", "versiegelte Nachrichten"),
    "explain.readings": ("readings in them", "Messwerte darin"),
    "explain.a-day": ("{size} a day", "{size} am Tag"),
    "explain.room": ("room for messages", "Platz für Nachrichten"),
    "explain.of": ("{size} of {size_max}", "{size} von {size_max}"),
    "explain.waiting": ("taken by what waits", "belegt von Wartendem"),
    "explain.overhead": ("database on top of them", "Datenbank zusätzlich"),
    "explain.lasts": ("nothing is lost for", "nichts geht verloren für"),
    "explain.short": (
        "Measured for less than an hour: a rough figure yet.",
        "Weniger als eine Stunde gemessen: noch ein grober Wert.",
    ),
    "explain.order": ("When the space is full", "Wenn der Platz voll ist"),
    "explain.order.held": (
        "What the backend has received goes first, oldest first: {count} messages, {size}.",
        "Zuerst weicht, was das Backend empfangen hat, Ältestes zuerst: {count} Nachrichten, {size}.",
    ),
    "explain.order.waiting": (
        "Then the oldest of the others (now {count}); each loss leaves a signed gap.",
        "Dann das Älteste vom Rest (jetzt {count}); jeder Verlust hinterlässt eine signierte Lücke.",
    ),
    "explain.order.never": (
        "Never: what is being sent, dictionaries in use, gaps.",
        "Nie: was gerade gesendet wird, benutzte Verzeichnisse, Lücken.",
    ),
    "explain.order.streams": (
        "Each stream has its own room: none pushes out another.",
        "Jeder Strom hat eigenen Platz: keiner verdrängt einen anderen.",
    ),
    "explain.cut": ("What a power cut costs", "Was ein Stromausfall kostet"),
    "explain.flush_interval_ms": ("flush interval", "Abstand der Sicherungen"),
    "explain.flush_ms_max": ("longest flush", "längste Sicherung"),
    "explain.power_cut_ms_max": ("at most the last", "höchstens die letzten"),
    "explain.cut-more": (
        "More only while the fault buffer.write or buffer.full holds.",
        "Mehr nur, solange die Störung buffer.write oder buffer.full besteht.",
    ),
    "explain.card": ("How long the card lives", "Wie lange die Karte hält"),
    "explain.own": ("written by the agent", "vom Agenten geschrieben"),
    "explain.device": ("by all, to {device}", "von allen, auf {device}"),
    "explain.endurance": ("endurance of the card", "Schreibvermögen der Karte"),
    "explain.used": ("used up, it says itself", "verbraucht, sagt sie selbst"),
    "explain.at-most": ("at most {percent} %", "höchstens {percent} %"),
    "explain.card-lasts": ("from new, it lasts", "ab neu hält sie"),
    "explain.card.step": (
        "Enter what the card's maker states: [buffer] card_endurance_gb.",
        "Eintragen, was der Hersteller der Karte angibt: [buffer] card_endurance_gb.",
    ),
    "basis.measured": ("measured", "gemessen"),
    "basis.measured-over": ("measured over {duration}", "gemessen über {duration}"),
    "basis.configured": ("configured", "eingestellt"),
    "basis.assumed": ("assumed", "angenommen"),
    "basis.calculated": ("calculated", "errechnet"),
    "basis.unknown": ("not known", "nicht bekannt"),
    "span.days": ("{count} days", "{count} Tage"),
    "span.years": ("{count} years", "{count} Jahre"),
    "span.century": ("more than {count} years", "über {count} Jahre"),
    # time
    "help.time": (
        "Whether the clock is trusted, and why not; with `reset-bound`: forget the lower bound of time.",
        "Ob der Uhr vertraut wird, und warum nicht; mit `reset-bound`: die Untergrenze der Zeit vergessen.",
    ),
    "help.time-action": (
        "reset-bound: begin the lower bound again at the build date.",
        "reset-bound: die Untergrenze beim Datum des Programms neu beginnen.",
    ),
    "time.trusted": ("The clock is trusted.", "Der Uhr wird vertraut."),
    "time.unsynchronised": (
        "The clock is not trusted: nobody vouches for it.",
        "Der Uhr wird nicht vertraut: niemand bürgt für sie.",
    ),
    "time.unsynchronised.step": (
        "Is a time server reachable (timedatectl)? Readings are kept, and dated as soon as the time is known.",
        "Ist ein Zeitserver erreichbar (timedatectl)? Messwerte bleiben, und werden datiert, sobald die Zeit bekannt ist.",
    ),
    "time.before-bound": (
        "The clock is not trusted: it stands before a time that is certainly over.",
        "Der Uhr wird nicht vertraut: sie steht vor einer Zeit, die sicher vorbei ist.",
    ),
    "time.before-bound.step": (
        "Set it (timedatectl), look at the RTC's battery. Only if the lower bound itself is wrong: edgectl time reset-bound.",
        "Stellen (timedatectl), Batterie der Uhr ansehen. Nur wenn die Untergrenze selbst falsch ist: edgectl time reset-bound.",
    ),
    "time.label.utc": ("Time", "Zeit"),
    "time.label.machine": ("Machine", "Rechner"),
    "time.label.trust": ("Believed", "Geglaubt"),
    "time.label.boot": ("Boot", "Start"),
    "time.label.bound": ("Lower bound", "Untergrenze"),
    "time.utc": (
        "{utc} UTC, to within {uncertainty}, by {source}",
        "{utc} UTC, auf {uncertainty} genau, laut {source}",
    ),
    "time.machine": ("{utc} UTC by its own clock", "{utc} UTC nach seiner eigenen Uhr"),
    "time.trust.kernel": (
        "the kernel, while it calls its clock synchronised",
        "dem Kernel, solange er seine Uhr synchron nennt",
    ),
    "time.trust.operator": (
        "the machine's clock, always (configured)",
        "der Uhr des Rechners, immer (eingestellt)",
    ),
    "time.boot": ("number {boot}, {duration} ago", "Nummer {boot}, vor {duration}"),
    "time.boot-random": (
        "The number could not be kept and is a random one: see the faults of the buffer.",
        "Die Nummer ließ sich nicht merken und ist zufällig: siehe die Störungen des Puffers.",
    ),
    "time.bound": ("{utc} UTC is certainly over, {origin}", "{utc} UTC ist sicher vorbei, {origin}"),
    "time.bound.build": ("from the program's date", "laut Datum des Programms"),
    "time.bound.receipt": ("from a signed receipt", "laut signierter Quittung"),
    "time.bound-error": ("It could not be kept: {reason}", "Sie ließ sich nicht sichern: {reason}"),
    "time.ask": (
        "Lower bound {bound} UTC: begin again at {built} UTC? Certificates that ended in between are then accepted while the clock is not trusted.",
        "Untergrenze {bound} UTC: bei {built} UTC neu beginnen? Zertifikate, die dazwischen abliefen, gelten dann wieder, solange der Uhr nicht vertraut wird.",
    ),
    "time.unchanged": ("Nothing was changed.", "Nichts wurde geändert."),
    "time.reset": (
        "The lower bound begins again at {bound} UTC.",
        "Die Untergrenze beginnt neu bei {bound} UTC.",
    ),
    "clock-source.ntp": ("NTP", "NTP"),
    "clock-source.operator": ("the operator", "Betreiber"),
    "error.NotReset": (
        "The lower bound was reset until the next start only: {evidence}",
        "Die Untergrenze ist nur bis zum nächsten Start zurückgesetzt: {evidence}",
    ),
    "help.modem": (
        "The cellular link: SIM, network, signal with advice, data used, repairs.",
        "Die Mobilfunkverbindung: SIM, Netz, Empfang mit Rat, Datenverbrauch, Reparaturen.",
    ),
    "modem.none": (
        "No modem is configured. To use one, add [modem] to the configuration; see docs/modem.md.",
        "Kein Modem ist konfiguriert. Wenn eines genutzt werden soll: [modem] in die Konfiguration, siehe docs/modem.md.",
    ),
    "modem.stale": (
        "The agent is not reached: this is what it last knew, {age} ago.",
        "Der Agent ist nicht erreichbar: dies wusste er zuletzt, vor {age}.",
    ),
    "modem.no-file": (
        "The agent is not reached, and it has left no state of a modem in {path}.",
        "Der Agent ist nicht erreichbar und hat in {path} keinen Zustand eines Modems hinterlassen.",
    ),
    "modem.no-access": (
        "The agent is not reached, and its last state cannot be read: {reason}. Try it with sudo.",
        "Der Agent ist nicht erreichbar, und sein letzter Zustand ist nicht lesbar: {reason}. Mit sudo versuchen.",
    ),
    "modem.link": ("LINK", "VERBINDUNG"),
    "modem.modem": ("MODEM", "MODEM"),
    "modem.sim": ("SIM", "SIM"),
    "modem.network": ("NETWORK", "NETZ"),
    "modem.signal": ("SIGNAL", "EMPFANG"),
    "modem.address": ("ADDRESS", "ADRESSE"),
    "modem.data": ("DATA", "DATEN"),
    "modem.repairs": ("REPAIRS", "REPARATUREN"),
    "modem.fine": ("well", "in Ordnung"),
    "modem.proven": (
        "well: proof of life {age} ago ({kind})",
        "in Ordnung: Lebenszeichen vor {age} ({kind})",
    ),
    "modem.no-proof": (
        "nothing comes through; last proof of life: {age}",
        "nichts kommt durch; letztes Lebenszeichen: {age}",
    ),
    "modem.ago": ("{age} ago", "vor {age}"),
    "modem.never": ("none since the agent started", "keines seit dem Start des Agenten"),
    "modem.unknown": ("not known", "nicht bekannt"),
    "modem.tries": ("{count} PIN tries left", "noch {count} PIN-Versuche"),
    "modem.roaming": ("roaming", "Roaming"),
    "modem.not-connected": ("not connected", "nicht verbunden"),
    "modem.used": ("{used} used since {period}", "{used} verbraucht seit {period}"),
    "modem.used-always": ("{used} used, days not known", "{used} verbraucht, Tage nicht bekannt"),
    "modem.limit": ("of {limit} ({percent} %)", "von {limit} ({percent} %)"),
    "modem.forecast": ("forecast {forecast}", "Prognose {forecast}"),
    "modem.probes": ("{size} today to look for life", "{size} heute für Lebenszeichen"),
    "modem.imbalance": ("antennas differ by {db} dB", "Antennen unterscheiden sich um {db} dB"),
    "modem.next": ("next: {rung} in {wait}", "als Nächstes: {rung} in {wait}"),
    "modem.next-longer": (
        "next: {rung} in {wait} (waits {factor} times as long)",
        "als Nächstes: {rung} in {wait} (Wartezeiten {factor}-fach)",
    ),
    "modem.no-repair": ("none needed", "keine nötig"),
    "modem.no-cure": ("none: no repair cures this", "keine: keine Reparatur hilft hier"),
    "modem.climb": ("{age} ago: {rung}: {result}", "vor {age}: {rung}: {result}"),
    "modem.rung.reconnect": ("connect anew", "neu verbinden"),
    "modem.rung.radio": ("radio off and on", "Funk aus und an"),
    "modem.rung.reset": ("restart the modem", "Modem neu starten"),
    "modem.rung.service": ("restart ModemManager", "ModemManager neu starten"),
    "modem.rung.rebind": ("detach the USB port", "USB-Anschluss trennen"),
    "modem.rung.power": ("cut the modem's power", "Modem stromlos machen"),
    "modem.rung.reboot": ("restart the gateway", "Gateway neu starten"),
    "modem.result.proof": ("it helped", "hat geholfen"),
    "modem.result.in vain": ("in vain", "vergeblich"),
    "modem.result.": ("under way", "läuft"),
    "modem.class.good": ("good", "gut"),
    "modem.class.usable": ("usable", "brauchbar"),
    "modem.class.weak": ("weak", "schwach"),
    "modem.class.unusable": ("unusable", "unbrauchbar"),
    "modem.registration.home": ("at home", "im Heimnetz"),
    "modem.registration.roaming": ("roaming", "Roaming"),
    "modem.registration.searching": ("searching", "sucht"),
    "modem.registration.idle": ("idle", "untätig"),
    "modem.registration.denied": ("denied", "abgewiesen"),
    "modem.sim-state.ready": ("ready", "bereit"),
    "modem.sim-state.pin": ("wants its PIN", "will ihre PIN"),
    "modem.sim-state.puk": ("wants its PUK", "will ihre PUK"),
    "modem.sim-state.missing": ("missing", "fehlt"),
    "modem.sim-state.failed": ("failed", "defekt"),
    "modem.kind.session": ("session with the broker", "Sitzung mit dem Broker"),
    "modem.kind.puback": ("PUBACK", "PUBACK"),
    "modem.kind.receipt": ("receipt", "Quittung"),
    "modem.kind.broker": ("the broker's host", "Host des Brokers"),
    "modem.kind.name server": ("name server", "Nameserver"),
    "signal.no_cell": (
        "Check antenna, plug and cable; is there coverage here at all?",
        "Antenne, Stecker und Kabel prüfen; gibt es hier überhaupt Netz?",
    ),
    "signal.antenna_imbalance": (
        "One antenna hears far less than the other: its plug is loose or its cable broken.",
        "Eine Antenne hört viel weniger als die andere: Stecker lose oder Kabel gebrochen.",
    ),
    "signal.move_antenna": (
        "Move the antenna: out of the metal, higher, or to a window; or try another operator.",
        "Antenne versetzen: aus dem Metall heraus, höher oder ans Fenster; oder anderer Betreiber.",
    ),
    "signal.interference": (
        "Strong enough, but disturbed: turn the antenna, keep it away from metal and power supplies.",
        "Stark genug, aber gestört: Antenne drehen, weg von Metall und Netzteilen.",
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
