"""M-Bus (EN 13757-2 and -3), wired, both roles.

`frames` finds frames in a stream of bytes, `records` reads the data records of the application layer
(wireless M-Bus has the same), `telegram` gives a frame its meaning, `quantities` finds a record its quantity.
"""
