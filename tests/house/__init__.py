"""Tests of the house itself: floors, style, packaging, container file."""
