"""All personas by name."""

from __future__ import annotations

from typing import Final

from hal.sim.modem_personas import Persona
from hal.sim.modem_personas.others import EM7455, GENERIC, LE910, SARA_R5
from hal.sim.modem_personas.quectel import BG95, EC25, RM520N
from hal.sim.modem_personas.simcom import SIM7070, SIM7600

PERSONAS: Final[dict[str, Persona]] = {
    persona.name: persona
    for persona in (EC25, BG95, RM520N, SIM7600, SIM7070, EM7455, SARA_R5, LE910, GENERIC)
}
