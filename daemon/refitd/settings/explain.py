"""What is wrong with the settings, in sentences that name the key and the way out.

Values are shown only by the checks of `form` and `units`, which are not asked about secrets;
the whole text is redacted on top.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from refitd.settings.form import FileForm
from refitd.settings.keys import all_keys, form_at, keys
from refitd.settings.places import PREFIX

_MISSING = {
    "dsn": (
        'missing: write dsn = "postgresql://refitd@localhost/panel" into the file, '
        "or set REFITD_DSN or DATABASE_URL"
    ),
    "target": (
        "missing: write a [target.backend] table into the file, or set CONTAINER_NAME, "
        "IMAGE_TAG and GIT_REPO"
    ),
}


def explain(bad: ValidationError, origins: Mapping[tuple[str, ...], str]) -> Iterator[str]:
    """A sentence for each error, in the file's order."""
    for error in bad.errors(include_url=False, include_input=False):
        path = tuple(str(part) for part in error["loc"])
        variables = sorted(origins[leaf] for leaf in origins if leaf[: len(path)] == path)
        place = f"`{'.'.join(path)}`" + (f" (from {', '.join(variables)})" if variables else "")
        yield f"{place}: {_wrong(error, path)}"


def _wrong(error: ErrorDetails, path: tuple[str, ...]) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key" + _suggestion(path)
    if path in {("dsn",), ("target",)} and error["type"] in {"missing", "too_short"}:
        return _MISSING[path[0]]
    if error["type"] == "missing" and path[-1] == "source":
        return f"missing: write a [{'.'.join(path)}] table with `repo` or `path`, or set GIT_REPO"
    if error["type"] == "missing":
        return f"missing: write it into the file, or set {variable(path)}"
    return error["msg"].removeprefix("Value error, ").replace("Input should", "should")


def variable(path: tuple[str, ...]) -> str:
    """The environment variable of a setting."""
    return PREFIX + "__".join(path).upper().replace("-", "_").replace(".", "_")


def _suggestion(path: tuple[str, ...]) -> str:
    """A key beside it that looks like it, else one elsewhere that is called the same."""
    *above, wrong = path
    alike = difflib.get_close_matches(wrong, keys(form_at(above)), n=1)
    if alike:
        return f"; did you mean `{'.'.join((*above, alike[0]))}`?"
    elsewhere = [key for key in all_keys(FileForm) if key.split(".")[-1] == wrong]
    return f"; did you mean `{elsewhere[0]}`?" if elsewhere else ""
