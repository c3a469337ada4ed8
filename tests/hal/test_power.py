"""The harsh repairs, as far as they can be seen without a modem: what is written, run and said."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from config.cellular import PowerLine, read_output_url
from hal.power import RepairFailed, SystemRepairs
from tests.world.virtual_loop import run_virtual


def program(folder: Path, body: str) -> str:
    path = folder / "systemctl"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_usb_port_is_taken_from_its_driver_and_given_back(tmp_path: Path) -> None:
    for name in ("unbind", "bind"):
        (tmp_path / name).touch()
    run_virtual(SystemRepairs(usb_port="1-1.2", driver=tmp_path).rebind_usb())
    assert [(tmp_path / name).read_text() for name in ("unbind", "bind")] == ["1-1.2", "1-1.2"]


def test_a_port_that_is_given_back_even_when_the_repair_is_cut_short(tmp_path: Path) -> None:
    async def cut_short() -> None:
        task = asyncio.ensure_future(SystemRepairs(usb_port="1-1.2", driver=tmp_path).rebind_usb())
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtual(cut_short())
    assert (tmp_path / "bind").read_text() == "1-1.2"


def test_a_port_that_is_not_there_is_said_with_what_to_look_for(tmp_path: Path) -> None:
    with pytest.raises(RepairFailed, match=r"1-1\.2, unbind: .* is the modem at this port"):
        run_virtual(SystemRepairs(usb_port="1-1.2", driver=tmp_path / "none").rebind_usb())


async def test_the_service_is_restarted_and_the_machine_rebooted_by_systemctl(tmp_path: Path) -> None:
    repairs = SystemRepairs(systemctl=program(tmp_path, f'echo "$@" >> {tmp_path}/said'))
    await repairs.restart_service()
    await repairs.reboot()
    assert (tmp_path / "said").read_text() == "restart ModemManager.service\nreboot\n"


async def test_a_refusal_of_systemd_is_told_in_its_words(tmp_path: Path) -> None:
    repairs = SystemRepairs(systemctl=program(tmp_path, "echo Access denied >&2; exit 4"))
    with pytest.raises(RepairFailed, match="reboot: Access denied; does polkit allow it"):
        await repairs.reboot()
    with pytest.raises(RepairFailed, match="needs systemd"):
        await SystemRepairs(systemctl=str(tmp_path / "none")).reboot()


def test_power_without_a_gpio_chip_says_where_to_look() -> None:
    url = "gpio:///dev/gpiochip99?line=6"
    with pytest.raises(RepairFailed, match=r"gpiochip99.*gpioinfo"):
        run_virtual(SystemRepairs(power=url).cut_power())


def test_a_power_lines_url_is_read_or_refused() -> None:
    assert read_output_url("gpio:///dev/gpiochip0?line=6") == PowerLine("/dev/gpiochip0", 6, active_low=False)
    assert read_output_url("gpio:///dev/gpiochip1?line=17&active=low").active_low
    for wrong in ("", "gpio:///dev/gpiochip0", "gpio:///dev/gpiochip0?line=x", "gpio:///etc/passwd?line=1"):
        with pytest.raises(ValueError, match="as gpio:///dev/gpiochip0"):
            read_output_url(wrong)
