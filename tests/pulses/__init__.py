"""Pulse inputs: counts that survive, the worker that keeps them, and the whole way to the store."""
