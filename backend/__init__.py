"""The reference receiver of uplinks: verify, store, answer. Imports `protocols` only."""
