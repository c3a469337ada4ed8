"""The application: tasks, buffer, uplink, local API. ARCHITECTURE.md walks a reading through it."""

__version__ = "0.1.0"
BUILT_MS = 1_795_392_000_000
"""2026-11-23, the day of this version, UTC in ms since 1970: time has certainly reached it
(edge_agent/time_bound.py)."""
