"""Settings that cannot be used: each refused by its key's name, all at once, with the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from refitd.errors import SettingsError
from refitd.settings import load
from tests.settings.test_load import SMALLEST, file

TWIN = """
[target.twin]
container = "panel-backend"
image = "twin:latest"
[target.twin.source]
repo = "https://git.example.org/twin.git"
"""


def refusal(folder: Path, text: str, **environ: str) -> str:
    file(folder, text)
    with pytest.raises(SettingsError) as caught:
        load(None, environ, folder)
    return str(caught.value)


def top(line: str) -> str:
    return f"{line}\n{SMALLEST}"


def target(line: str) -> str:
    return SMALLEST.replace("[target.backend]", f"[target.backend]\n{line}")


BAD = {
    "misspelt key": (
        top("metrics_prt = 1"),
        "`metrics_prt`: unknown key; did you mean `metrics_port`?",
    ),
    "misspelt key of a target": (
        target("strateggy = 'swap'"),
        "`target.backend.strateggy`: unknown key; did you mean `target.backend.strategy`?",
    ),
    "key in the wrong table": (
        top("quiet = 2"),
        "`quiet`: unknown key; did you mean `timing.quiet`?",
    ),
    "key in no table": (top("zzz = 1"), "`zzz`: unknown key"),
    "misspelt table": (
        SMALLEST + "[target.backend.helth]\nstable = 1",
        "`target.backend.helth`: unknown key; did you mean `target.backend.health`?",
    ),
    "bad unit": (
        top("timing.quiet = '2 parsecs'"),
        (
            "`timing.quiet`: '2 parsecs' is no duration: write a number of seconds, or a number with "
            "one of the units ms, s, m, h, d"
        ),
    ),
    "negative duration": (top("timing.quiet = -1"), "`timing.quiet`: should be greater than"),
    "duration without end": (
        top("timing.quiet = inf"),
        "`timing.quiet`: should be a finite number",
    ),
    "yes for a duration": (top("timing.quiet = true"), "`timing.quiet`: must be a duration"),
    "period of nothing": (top("timing.poll = 0"), "`timing.poll`: should be greater than 0"),
    "retention of seconds": (
        top("timing.log_retention = 30"),
        '`timing.log_retention`: must be an hour at least: a bare number is seconds, so write "30d"',
    ),
    "longest wait below quiet": (
        top("timing.longest_wait = 1"),
        "`timing`: `longest_wait` must not be shorter than `quiet`",
    ),
    "proof longer than its deadline": (
        SMALLEST + "[target.backend.health]\nstable = '2m'",
        "`target.backend.health`: `stable` must be shorter than `deadline`",
    ),
    "overlap undeclared": (
        target("strategy = 'overlap'"),
        '`target.backend`: `strategy = "overlap"` needs `concurrent = true`',
    ),
    "unknown strategy": (
        target("strategy = 'hope'"),
        "`target.backend.strategy`: should be 'auto', 'swap' or 'overlap'",
    ),
    "port beyond ports": (top("metrics_port = 70000"), "`metrics_port`: should be less than"),
    "image by digest": (
        SMALLEST.replace("panel-backend:latest", "panel@sha256:1"),
        "`target.backend.image`: 'panel@sha256:1' is no tag that could be moved",
    ),
    "container name": (
        SMALLEST.replace('"panel-backend"', '"panel backend"'),
        "`target.backend.container`: 'panel backend' is no container name",
    ),
    "container name with a line feed": (
        SMALLEST.replace('"panel-backend"', '"panel\\n"'),
        "`target.backend.container`: 'panel\\n' is no container name",
    ),
    "target name": (
        SMALLEST.replace("target.backend", 'target."a b"'),
        "`target.a b`: 'a b' must be wholly",
    ),
    "two targets with one container": (
        SMALLEST + TWIN,
        (
            "`target.backend.container` and `target.twin.container`: both are 'panel-backend'; a "
            "container belongs to one target"
        ),
    ),
    "repo and path": (
        SMALLEST + "path = 'src'",
        "`target.backend.source`: needs either `repo` (a git URL) or `path` (a folder), and not both",
    ),
    "neither repo nor path": (
        SMALLEST.replace("repo =", "# repo ="),
        "`target.backend.source`: needs either `repo`",
    ),
    "scheme of the repo": (
        SMALLEST.replace("https://", "ftp://"),
        "`target.backend.source`: ",
    ),
    "unencrypted repo": (
        SMALLEST.replace("https://", "http://"),
        "`target.backend.source`: ",
    ),
    "the build argument that is ours": (
        SMALLEST + "[target.backend.build.args]\nMODULES = 'a'",
        "`target.backend.build.args`: MODULES is the build argument that refitd itself sets",
    ),
    "probe without its port": (
        SMALLEST + "[target.backend.health.http]\npath = '/'",
        (
            "`target.backend.health.http.port`: missing: write it into the file, or set "
            "REFITD_TARGET__BACKEND__HEALTH__HTTP__PORT"
        ),
    ),
    "no DSN": (
        SMALLEST.replace("dsn =", "# dsn ="),
        (
            '`dsn`: missing: write dsn = "postgresql://refitd@localhost/panel" into the file, '
            "or set REFITD_DSN or DATABASE_URL"
        ),
    ),
    "empty DSN": (SMALLEST.replace("postgresql://refitd@localhost/panel", ""), "`dsn`: missing"),
    "another database": (
        SMALLEST.replace(
            "postgresql://refitd@localhost/panel", "mysql://refitd:pw@localhost/panel"
        ),
        "`dsn`: mysql:// is not Postgres: write postgresql://user@host:5432/database",
    ),
    "Dockerfile outside of the context": (
        SMALLEST + "[target.backend.build]\ndockerfile = '../Dockerfile'",
        "`target.backend.build.dockerfile`: '../Dockerfile' is outside of the build context",
    ),
    "Dockerfile of this machine": (
        SMALLEST + "[target.backend.build]\ndockerfile = '/srv/Dockerfile'",
        "`target.backend.build.dockerfile`: '/srv/Dockerfile' is outside of the build context",
    ),
    "no target": ("dsn = 'x'", "`target`: missing: write a [target.backend] table"),
    "a word for a table": ("dsn = 'x'\ntarget = 'backend'", "`target`: "),
    "a target without source": (
        SMALLEST.split("[target.backend.source]", maxsplit=1)[0],
        "`target.backend.source`: missing: write a [target.backend.source] table",
    ),
}


@pytest.mark.parametrize("text, expected", BAD.values(), ids=BAD.keys())
def test_it_is_refused_by_name(tmp_path: Path, text: str, expected: str) -> None:
    """The message has the key's full name, and what to do instead."""
    assert f"\n  {expected}" in refusal(tmp_path, text)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgres://refitd@localhost/panel",
        "host=localhost dbname=panel",
        "host=db password=a://b",
        "service=panel",
    ],
)
def test_what_postgres_may_read_is_left_to_it(tmp_path: Path, dsn: str) -> None:
    """Every form that libpq knows."""
    file(tmp_path, SMALLEST.replace("postgresql://refitd@localhost/panel", dsn))
    assert load(None, {}, tmp_path).dsn == dsn


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Nobody mends a file one error at a time."""
    text = SMALLEST.replace("dsn =", "dns =").replace("image =", "imagge =") + TWIN
    problems = refusal(tmp_path, text + "[timing]\npoll = 'soon'\n").splitlines()[1:]
    keys = [problem.split("`")[1] for problem in problems]
    assert sorted(keys) == [
        "dns",
        "dsn",
        "target.backend.container",
        "target.backend.image",
        "target.backend.imagge",
        "timing.poll",
    ]


def test_a_variable_is_named_where_it_is_to_blame(tmp_path: Path) -> None:
    """Also for a name that no setting has."""
    said = refusal(
        tmp_path, SMALLEST, REFITD_METRICS_PORT="many", REFITD_TIMNG__QUIET="1", DATABASE_URL="x"
    )
    assert "`metrics_port` (from REFITD_METRICS_PORT): should be a valid integer" in said
    assert "`timng` (from REFITD_TIMNG__QUIET): unknown key; did you mean `timing`?" in said


def test_a_variable_for_a_part_of_what_another_sets(tmp_path: Path) -> None:
    """Two variables that cannot both be meant are refused."""
    said = refusal(tmp_path, SMALLEST, REFITD_LOG="info", REFITD_LOG__LEVEL="debug")
    assert said == "REFITD_LOG__LEVEL speaks of a part of what another variable sets whole"


def test_no_secret_is_shown(tmp_path: Path) -> None:
    """Whatever is wrong, a password that was written somewhere stays there."""
    secret = "hunter2"
    text = (
        SMALLEST.replace("refitd@localhost", f"refitd:{secret}@localhost")
        .replace("https://", f"ftp://u:{secret}@")
        .replace('"panel-backend"', f'"postgresql://u:{secret}@h/x"')
        + f"[target.backend.build]\nargs = {{ TOKEN = '{secret}' }}\nstage = {{ TOKEN = '{secret}' }}\n"
    )
    assert secret not in refusal(tmp_path, text, REFITD_METRICS_PORT=secret)


def test_settings_show_no_secret(tmp_path: Path) -> None:
    """Neither does the repr of settings that are fine, which may end up in a traceback."""
    text = SMALLEST.replace("refitd@", "refitd:hunter2@").replace("https://", "https://hunter2@")
    file(tmp_path, text)
    settings = load(None, {}, tmp_path)
    assert "hunter2" in settings.dsn
    assert "hunter2" not in repr(settings)
