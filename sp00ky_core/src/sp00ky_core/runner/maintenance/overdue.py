"""Remember since when claims have been overdue: the database's clock may jump, this runner's doesn't."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice

from sp00ky_core.ports import OverdueClaim

MOST_REMEMBERED = 10_000


class Overdue:
    """Remember claims whose lease is over, and whose runners beat, as this runner has seen them."""

    def __init__(self) -> None:
        self._since: dict[OverdueClaim, float] = {}

    def seen(
        self, claims: Sequence[OverdueClaim], now: float, *, all_listed: bool, held: Collection[str]
    ) -> list[OverdueClaim]:
        """Take note of what is overdue now; return what has been so for as long as a lease lasts.

        With ``all_listed`` what isn't among the claims is overdue no more. Those ``held`` are at work.
        """
        listed = {claim: self._since.get(claim, now) for claim in claims}
        others = {} if all_listed else self._since
        known = {**listed, **{claim: since for claim, since in others.items() if claim not in listed}}
        self._since = dict(islice(known.items(), MOST_REMEMBERED))
        return [
            claim
            for claim, since in listed.items()
            if now - since >= claim.lasts and claim.job_id not in held
        ]
