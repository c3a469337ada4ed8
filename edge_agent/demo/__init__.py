"""`edge-agent demo`: the whole path on one machine without hardware.

Each part is a process of its own, as in the field: plant (simulated meters), broker, receiver, agent.
The demo wires them up, cuts the link, and judges the outcome from three independent records: the
meters' own log, the agent's signed messages, the receiver's store.
"""
