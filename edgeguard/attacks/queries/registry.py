"""The query strategies there are. A new one is one file beside this one and one line here."""

from __future__ import annotations

from edgeguard.attacks.queries.adaptive import adaptive_queries
from edgeguard.attacks.queries.jbda_tr import jbda_tr_queries
from edgeguard.attacks.queries.protocol import QueryStrategy
from edgeguard.attacks.queries.random import random_queries
from edgeguard.errors import UsageError

__all__ = ["QUERIES", "find_queries"]

QUERIES: dict[str, QueryStrategy] = {
    "random": random_queries,
    "adaptive": adaptive_queries,
    "jbda-tr": jbda_tr_queries,
}


def find_queries(name: str) -> QueryStrategy:
    """A query strategy by its name.

    :raises UsageError: there is none.
    """
    try:
        return QUERIES[name]
    except KeyError:
        raise UsageError(f"there is no query strategy {name!r}", fix=f"Choose one of: {', '.join(QUERIES)}") from None
