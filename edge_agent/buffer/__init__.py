"""Keeps every reading through power cuts and weeks without network.

journal: readings not yet sealed, append-only files · seal: readings to batches that fit (pure) ·
outbox: signed messages in order, SQLite · custody: what receipts and requests change in the outbox ·
room: the one bound and the reserve · recorder: all of it together, on the storage thread ·
buffer: the face towards the event loop.
"""
