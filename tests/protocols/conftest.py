"""Hypothesis without deadlines: a loaded machine fails what is right. Linear time has its own tests."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.load_profile("house")
