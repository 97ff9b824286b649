"""The six digits of RFC 6238: `/two-factor?secret=GEZDGNBVGY3TQOJQ`.

The id is `two-factor`, which is no name in Python: so the file is `two_factor.py`.
"""

import base64
import hmac
import time

from routes import Query, Routes

STEP_S = 30


def start(routes: Routes) -> None:
    """Add the code."""
    routes.add("/two-factor", lambda query: {"code": code(query, time.time())})


def code(query: Query, now: float) -> str:
    """Truncate the HMAC of the time, as the RFC says."""
    key = base64.b32decode(query["secret"], casefold=True)
    digest = hmac.digest(key, int(now // STEP_S).to_bytes(8, "big"), "sha1")
    start_at = digest[-1] & 0x0F
    number = int.from_bytes(digest[start_at : start_at + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"
