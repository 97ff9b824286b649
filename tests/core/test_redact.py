"""Secrets leave a text by their place, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refitd.core.redact import MASK, names_a_secret, redact

SECRET = "s3cr3t"

LEAKS = {
    "password of a DSN": f"postgresql://refitd:{SECRET}@db:5432/panel",
    "password that holds an @": f"postgresql://refitd:{SECRET}@{SECRET}@db/panel",
    "password that holds a slash": f"postgresql://refitd:a/{SECRET}@db/panel",
    "password that holds a quote": f"postgresql://refitd:a'{SECRET}@db/panel",
    "password without a user": f"redis://:{SECRET}@db/0",
    "password in a query": f"postgresql://db/panel?user=refitd&password={SECRET}&sslmode=require",
    "keyword DSN": f"host=db password={SECRET} dbname=panel",
    "keyword DSN, quoted": f"host=db password='{SECRET} and \\' {SECRET}' dbname=panel",
    "keyword DSN, spaced": f"host=db password = {SECRET}",
    "key's passphrase": f"sslkey=/k sslpassword={SECRET}",
    "token as the user": f"fatal: https://{SECRET}@git.example.org/core.git",
    "token as the password": f"https://x-access-token:{SECRET}@git.example.org/core.git",
    "token before an empty password": f"https://{SECRET}:x-oauth-basic@git.example.org/core.git",
    "environment": f"PGPASSWORD={SECRET} psql",
    "build argument": f"--build-arg NPM_TOKEN={SECRET}",
    "JSON": f'{{"user": "refitd", "password": "{SECRET}"}}',
    "repr of a dict": f"{{'api_key': '{SECRET}'}}",
    "header": f"Authorization: Bearer {SECRET}",
    "several lines": f"one\npostgresql://a:{SECRET}@h\npassword={SECRET}\nlast",
}

PLAIN = [
    "",
    "ssh://git@git.example.org/core.git",
    "git@git.example.org:panel/core.git",
    "postgresql://refitd@localhost/panel",
    "https://git.example.org:8443/panel/core@v2.git#main:backend",
    'FATAL:  password authentication failed for user "refitd"',
    "Step 3/9 : RUN pip install --index-url https://pypi.example.org/simple audit@1.4",
    "build.finished target=backend duration_s=4.2",
]


@pytest.mark.parametrize("text", LEAKS.values(), ids=LEAKS.keys())
def test_a_secret_is_taken_out(text: str) -> None:
    """Wherever a secret is known to stand, it is gone, and a mask says that it was there."""
    assert SECRET not in redact(text)
    assert MASK in redact(text)


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_stays(text: str) -> None:
    """Users, hosts, ports, paths and prose about passwords are left to be read."""
    assert redact(text) == text


@given(st.text(max_size=200))
def test_once_is_enough(text: str) -> None:
    """A text that was redacted is not changed any more."""
    once = redact(text)
    assert redact(once) == once


@given(st.text(alphabet="abcXYZ019.~!*+,;:@/_-", min_size=8, max_size=40))
def test_no_password_of_a_url_survives(password: str) -> None:
    """Not even one that should have been percent-encoded; but for digits and a slash first."""
    secret = "pw" + password
    assert secret not in redact(f"postgresql://refitd:{secret}@db/panel")


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "token", "deploy.api-key", "CLIENT_SECRET"])
def test_names_of_secrets(name: str) -> None:
    """A name that says secret is known as one."""
    assert names_a_secret(name)


@pytest.mark.parametrize("name", ["", "event", "module", "tokens_used", "secretary"])
def test_other_names(name: str) -> None:
    """A name that only resembles one is not."""
    assert not names_a_secret(name)
