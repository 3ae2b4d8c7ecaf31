"""Decide and write as every store does: the rules of its rows, which the core keeps to itself, too.

Names here are stable: they follow semantic versioning, as those of ``sp00ky_core`` do. On top of them stands
``sp00ky_store_kit``, a base class for databases with transactions.

- A batch that the database refuses: ``bisect`` isolates the bad rows, ``write_around`` leaves them out,
  ``settle_with_less`` writes what it takes of a settlement (``lesser_transitions``), ``Quarantine`` remembers
  refused rows and logs each once.
- Notifications: ``Broadcast`` wakes this process's subscribers, ``Subscription`` keeps a subscription to the
  database alive, ``Backoff`` spaces its tries.
- Decisions: ``DecidingStore`` has reclaim (``LostOptions``); ``settlement_of`` decides what becomes of a
  job; ``applied`` and ``appended`` are what a transition makes of a row; ``change_after``, ``route_in_turn``
  and ``risk_turn`` are the breaker's rules, ``Allowance`` that of a backend's limits (``PASSED``, ``FULL``:
  when a claim that they left without is repeated).
- Rows: ``job_of`` reads one whatever is in it, ``defect_of`` says why it can't be delivered, ``new_row`` is
  what ``add`` inserts, ``UNREAD`` stands for a text that is too long to be read, and ``claimed_of`` sees to a
  payload that is, ``entries_of``, ``instant_of``, ``priority_of`` and ``payload_text`` read single
  columns.
- Reading: ``matches``, ``age_of`` (with ``BEGINNING``), ``is_overdue``, ``unknown_entry``,
  ``with_last_error``; ``COMPARED``: what the signs of a condition mean.
- ``finished`` runs a coroutine that never waits.
- Ids: ``new_key``, ``new_keys``, ``new_uuids``, ``key_at``, ``job_id``, ``table_of``; ``chunks``, as many
  of them as a statement may have.
- JSON: ``encode``, ``decode``.
"""

from sp00ky_core.encoding.json_bytes import JsonObject, JsonText, decode, encode
from sp00ky_core.gate.breaker import (
    Breaker,
    BreakerChange,
    BreakerState,
    change_after,
    risk_turn,
    route_in_turn,
)
from sp00ky_core.stores import (
    decisions,
    ids,
    refused_writes,
    rows,
    subscription,
    without_waiting,
)
from sp00ky_core.stores.decisions import *
from sp00ky_core.stores.ids import *
from sp00ky_core.stores.refused_writes import *
from sp00ky_core.stores.rows import *
from sp00ky_core.stores.subscription import *
from sp00ky_core.stores.without_waiting import *

__all__ = ["Breaker", "BreakerChange", "BreakerState", "change_after", "risk_turn", "route_in_turn"]
__all__ += ["JsonObject", "JsonText", "decode", "encode"]
__all__ += without_waiting.__all__
__all__ += ids.__all__
__all__ += refused_writes.__all__
__all__ += decisions.__all__
__all__ += rows.__all__
__all__ += subscription.__all__
