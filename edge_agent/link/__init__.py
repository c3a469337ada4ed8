"""The cellular link: proof of life, the ladder of repairs, data used. Loaded only where `[modem]` is set.

observation  what is wrong with the link, from what is known of it; pure
ladder       which repair is due; pure
proof        what counts as proof of life, and the one probe that may be sent
data_budget  data used by SIM and billing period; pure
memory       what outlives a restart: ladder, PIN tries, data used, last known status
keeper       the task that looks, repairs and tells
"""
