"""The simulated world: meters, lines, clock, storage. Seeded, and as strict as the real thing."""
