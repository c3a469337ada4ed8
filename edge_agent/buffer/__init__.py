"""Keeps every reading through power cuts and weeks without network.

buffer: the face towards the event loop · recorder: what follows upon what, on the storage thread ·
memory: readings not yet sealed · journal, journal_files: the same on disk, append-only · flushing: from the
one to the other · seal: readings to batches that fit (pure) · sealing: one transaction for a group ·
outbox: signed messages in order, SQLite · outbox_keeper: the outbox whatever state it is in · room,
eviction: the one bound, the reserve, what goes first · recovery: what earlier runs left · dispatch,
selection, custody: to the backend and back · loss: what is missing, not yet told · holdings: what is
stored, for a person.
"""
