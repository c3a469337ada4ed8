"""The technician's program. The daemon never imports it."""
