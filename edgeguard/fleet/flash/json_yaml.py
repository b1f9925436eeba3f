"""Data as JSON that every YAML reader understands alike.

JSON is YAML, and its strings are quoted: nothing that a user types can become another key or another type. Two places
are left where readers disagree. A pair of surrogates, which JSON has for characters beyond 16 bits, is two characters
in YAML, so characters stand for themselves; and some may not stand in YAML as they are (YAML 1.1, sections 4.1 and
4.2), so those are escaped. All of them lie within 16 bits.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["document"]

_ESCAPED = re.compile("[\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def document(value: Any) -> str:
    """JSON-serialisable data as a YAML document, without a final line break.

    :raises ValueError: a number that JSON does not have.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
