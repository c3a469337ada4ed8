"""The application: tasks, buffer, uplink, local API. ARCHITECTURE.md walks a reading through it."""

__version__ = "0.1.0"
