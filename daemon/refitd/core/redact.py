"""Take secrets out of text that people will read: logs, errors, rows, the status.

What counts as a secret is known by its place, never by its looks: the password of a URL, all
of the user part of an http URL (a token may be either half), the value of a word that names a
secret (`password=…`, `"token": "…"`), and what follows `Authorization:`. Rather one
character too many than one too few.

>>> redact("postgresql://refitd:hunter2@db/panel")
'postgresql://refitd:***@db/panel'
>>> redact("host=db user=refitd password='two words' dbname=panel")
'host=db user=refitd password=*** dbname=panel'
>>> redact("https://ghp_0123@git.example.org/core.git")
'https://***@git.example.org/core.git'
>>> redact("ssh://git@git.example.org/core.git")
'ssh://git@git.example.org/core.git'
"""

from __future__ import annotations

import re

MASK = "***"

# Texts may be long lines of a build's output, so each pattern hangs on a fixed word, and what may
# repeat around it has a bound: the time taken grows with the text and no faster.

#: `https://anything@`: the user part alone may be the token.
_HTTP_USER = re.compile(r"(?i)(https?://)[^\s/@'\"<>]{1,1024}@")

#: `scheme://user:password@`. A password may hold `/` and `@` unescaped, though it should not;
#: digits and a slash after the colon are a port and a path.
_URL_PASSWORD = re.compile(r"(://)([^\s:/@]{0,256}):(?!\d{1,5}/)\S{1,1024}@")

_NAMES_END = r"(?:password|passwd|passphrase|secret|token|(?:api|private|access)[_-]?key)"
_QUOTED = r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\""
#: To the next blank outside of quotes, as a shell and libpq would read it, or to a `&`.
_VALUE = rf"(?:{_QUOTED}|\\.|[^\s&])+"

#: `password=…`, quoted or not, as in a DSN, a query string or an environment.
_ASSIGNED = re.compile(rf"(?i)({_NAMES_END}[ \t]{{0,8}}=[ \t]{{0,8}}){_VALUE}")

#: `"password": "…"`, as in JSON or the repr of a dict.
_KEYED = re.compile(rf"(?i)({_NAMES_END}['\"]\s{{0,8}}:\s{{0,8}})(?:{_QUOTED})")

_AUTHORIZATION = re.compile(r"(?i)((?:authorization|x-registry-auth):[ \t]{0,8})[^\s][^\r\n]*")


def names_a_secret(word: str) -> bool:
    """Whether what bears this name is a secret.

    >>> names_a_secret("POSTGRES_PASSWORD"), names_a_secret("module")
    (True, False)
    """
    return re.search(rf"{_NAMES_END}\Z", word, re.IGNORECASE) is not None


def redact(text: str) -> str:
    """The same text with `***` in place of every secret."""
    text = _URL_PASSWORD.sub(rf"\1\2:{MASK}@", text)
    text = _HTTP_USER.sub(rf"\1{MASK}@", text)
    text = _KEYED.sub(rf"\1{MASK}", text)
    text = _ASSIGNED.sub(rf"\1{MASK}", text)
    return _AUTHORIZATION.sub(rf"\1{MASK}", text)
