"""Hardware: lines, clock, storage; and their simulated twins in `hal/sim`.

Only `hal/board.py` chooses between real and simulated, from a URL. Above it nobody knows.
"""
