"""Cellular modems: `api` is what the rooms above use; `modem_manager` and `at_modem` stand behind it."""
