"""Serial numbers of meters as configured and as read: when two of them name the same device. Pure."""

from __future__ import annotations

import re

_SERVER_ID = re.compile(r"[0-9A-F]{20}")


def same_serial(configured: str, read: str) -> bool:
    """Whether two serial numbers name the same device: blanks, case and leading zeros aside.

    A server id of SML may be given as printed or as its 20 hexadecimal digits.
    """
    return _plain_serial(configured) == _plain_serial(read) != ""


def server_id_text(server_id: bytes) -> str:
    """A server id of DIN 43863-5 as printed: `0A 01 45 4D 48 00 00A1BD34` is "1EMH0010599732".

    Ten bytes: length, medium, three letters of the maker, block, number. Others in hexadecimal.
    """
    maker = server_id[2:5]
    if len(server_id) != 10 or server_id[0] not in (9, 10) or not (maker.isalpha() and maker.isupper()):
        return server_id.hex().upper()
    number = int.from_bytes(server_id[6:], "big")
    return f"{server_id[1]:X}{maker.decode('ascii')}{server_id[5]:02X}{number:08d}"


def _plain_serial(text: str) -> str:
    plain = "".join(text.split()).upper()
    if _SERVER_ID.fullmatch(plain):
        plain = server_id_text(bytes.fromhex(plain))
    return plain.lstrip("0")
