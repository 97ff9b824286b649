"""From file and environment to settings: where they are found, and which one wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from refitd.core.target import Build, Health, HttpProbe, Source, Target, Timing
from refitd.errors import SettingsError
from refitd.settings import LogSettings, Settings, load

SMALLEST = """
dsn = "postgresql://refitd@localhost/panel"
[target.backend]
container = "panel-backend"
image = "panel-backend:latest"
[target.backend.source]
repo = "https://git.example.org/panel/core.git"
branch = "main"
subdir = "backend"
"""

OLD_NAMES = {
    "DATABASE_URL": "postgresql://refitd:pw@db/panel",
    "DOCKER_SOCKET": "/run/docker.sock",
    "CONTAINER_NAME": "panel-backend",
    "IMAGE_TAG": "panel-backend:latest",
    "GIT_REPO": "https://git.example.org/panel/core.git",
    "GIT_BRANCH": "stable",
    "GIT_SUBDIR": "backend",
}


def file(folder: Path, text: str, name: str = "refitd.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, text: str = SMALLEST, **environ: str) -> Settings:
    file(folder, text)
    return load(None, environ, folder)


def test_the_smallest_file_is_enough(tmp_path: Path) -> None:
    """Eight lines describe a target; everything else has the defaults of the core."""
    settings = loaded(tmp_path)
    repo = "https://git.example.org/panel/core.git"
    assert settings == Settings(
        dsn="postgresql://refitd@localhost/panel",
        docker_host=None,
        state_dir=Path("/var/lib/refitd"),
        targets=(
            Target(
                name="backend",
                container="panel-backend",
                image="panel-backend:latest",
                source=Source(repo=repo, branch="main", subdir="backend"),
            ),
        ),
        timing=Timing(),
        log=LogSettings(),
        file=tmp_path / "refitd.toml",
    )


def test_every_table_of_a_target(tmp_path: Path) -> None:
    """Build, health and its probes are tables of their own."""
    settings = loaded(
        tmp_path,
        SMALLEST
        + """
        follow = true
        [target.backend.build]
        stage = "runtime"
        timeout = "20m"
        args = { PIP_INDEX_URL = "https://pypi.example.org", Zahl = "1" }
        [target.backend.health]
        deadline = 90
        tcp_port = 8000
        command = ["/check", "all of it"]
        [target.backend.health.http]
        port = 8000
        contains = "ok"
        """,
    )
    target = settings.targets[0]
    assert target.source.follow
    assert target.build == Build(
        stage="runtime",
        timeout_s=1200.0,
        args=(("PIP_INDEX_URL", "https://pypi.example.org"), ("Zahl", "1")),
    )
    assert target.health == Health(
        deadline_s=90.0,
        tcp_port=8000,
        command=("/check", "all of it"),
        http=HttpProbe(port=8000, contains="ok"),
    )


def test_several_targets(tmp_path: Path) -> None:
    """Targets keep the order of the file."""
    second = SMALLEST.replace("backend]", "worker]").replace("backend.source", "worker.source")
    second = second.replace('"panel-backend"', '"panel-worker"').split("\n", 2)[2]
    settings = loaded(tmp_path, SMALLEST + second)
    assert [target.name for target in settings.targets] == ["backend", "worker"]


class TestFile:
    """Which file is read."""

    def test_the_command_line_beats_the_variable_beats_the_folder(self, tmp_path: Path) -> None:
        """`--config`, then `$REFITD_CONFIG`, then `./refitd.toml`."""
        for name in ("refitd.toml", "by_variable.toml", "by_option.toml"):
            file(tmp_path, SMALLEST, name)
        environ = {"REFITD_CONFIG": "by_variable.toml"}
        assert load("by_option.toml", environ, tmp_path).file == tmp_path / "by_option.toml"
        assert load(None, environ, tmp_path).file == tmp_path / "by_variable.toml"
        assert load(None, {}, tmp_path).file == tmp_path / "refitd.toml"

    def test_one_that_is_named_must_be_there(self, tmp_path: Path) -> None:
        """A misspelt path is not silently some other file."""
        file(tmp_path, SMALLEST)
        with pytest.raises(SettingsError, match="--config names nowhere"):
            load("nowhere.toml", {}, tmp_path)
        with pytest.raises(SettingsError, match="REFITD_CONFIG names nowhere"):
            load(None, {"REFITD_CONFIG": "nowhere.toml"}, tmp_path)

    def test_what_is_no_toml_is_said_with_its_line(self, tmp_path: Path) -> None:
        """A syntax error names file and line."""
        with pytest.raises(SettingsError, match=r"refitd.toml is not valid TOML: .*line 2"):
            loaded(tmp_path, "dsn = 'x'\nimage panel\n")

    def test_folders_are_seen_from_the_file(self, tmp_path: Path) -> None:
        """A relative `path` and `state_dir` do not depend on where refitd was started."""
        below = tmp_path / "etc"
        below.mkdir()
        text = SMALLEST.replace(
            'repo = "https://git.example.org/panel/core.git"', 'path = "../src"'
        )
        file(below, 'state_dir = "state"\n' + text)
        settings = load("etc/refitd.toml", {}, tmp_path)
        assert settings.targets[0].source.path == str(tmp_path / "src")
        assert settings.state_dir == below / "state"


class TestEnvironment:
    """Every key has a variable, which beats the file."""

    def test_it_beats_the_file(self, tmp_path: Path) -> None:
        """Keys on every level, each by its name with `__` between the levels."""
        settings = loaded(
            tmp_path,
            REFITD_DSN="postgresql://other/panel",
            REFITD_METRICS_PORT="9187",
            REFITD_LOG__LEVEL="debug",
            REFITD_TIMING__QUIET="500ms",
            REFITD_TARGET__BACKEND__IMAGE="other:1",
            REFITD_TARGET__BACKEND__CANARY="false",
            REFITD_TARGET__BACKEND__SOURCE__SUBDIR="elsewhere",
            REFITD_TARGET__BACKEND__HEALTH__COMMAND="curl -f 'http://localhost/a b'",
            REFITD_TARGET__BACKEND__HEALTH__HTTP__PORT="80",
        )
        target = settings.targets[0]
        assert settings.dsn == "postgresql://other/panel"
        assert settings.metrics_port == 9187
        assert settings.log == LogSettings("debug", "auto")
        assert settings.timing.quiet_s == 0.5
        assert target.image == "other:1"
        assert target.canary is False
        assert target.source.subdir == "elsewhere"
        assert target.source.branch == "main"
        assert target.health.command == ("curl", "-f", "http://localhost/a b")
        assert target.health.http == HttpProbe(port=80)

    def test_build_arguments_keep_their_case_and_join_those_of_the_file(
        self, tmp_path: Path
    ) -> None:
        """`HTTP_PROXY` and `http_proxy` are two arguments."""
        settings = loaded(
            tmp_path,
            SMALLEST + '[target.backend.build.args]\nA = "file"\nb = "file"\n',
            REFITD_TARGET__BACKEND__BUILD__ARGS__A="environment",
            REFITD_TARGET__BACKEND__BUILD__ARGS__http_proxy="p",
        )
        assert dict(settings.targets[0].build.args) == {
            "A": "environment",
            "b": "file",
            "http_proxy": "p",
        }

    def test_a_name_with_a_dash_is_found(self, tmp_path: Path) -> None:
        """Variables cannot have dashes, so `panel-one` is `PANEL_ONE`."""
        text = SMALLEST.replace("target.backend", "target.panel-one")
        settings = loaded(tmp_path, text, REFITD_TARGET__PANEL_ONE__IMAGE="other:1")
        assert [(target.name, target.image) for target in settings.targets] == [
            ("panel-one", "other:1")
        ]

    def test_an_empty_one_is_not_set(self, tmp_path: Path) -> None:
        """As environment files leave them."""
        assert (
            loaded(tmp_path, REFITD_TARGET__BACKEND__IMAGE="").targets[0].image.endswith("latest")
        )

    def test_no_file_is_needed(self, tmp_path: Path) -> None:
        """The variables can say it all."""
        settings = load(
            None,
            {
                "REFITD_DSN": "postgresql://db/panel",
                "REFITD_TARGET__WEB__CONTAINER": "web",
                "REFITD_TARGET__WEB__IMAGE": "web:latest",
                "REFITD_TARGET__WEB__SOURCE__REPO": "https://git.example.org/web.git",
            },
            tmp_path,
        )
        assert [target.name for target in settings.targets] == ["web"]

    def test_systemd_says_where_state_is_kept(self, tmp_path: Path) -> None:
        """`StateDirectory=` of the unit reaches us as a variable; `state_dir` beats it."""
        environ = {"STATE_DIRECTORY": "/var/lib/private/refitd:/var/lib/other"}
        assert loaded(tmp_path, **environ).state_dir == Path("/var/lib/private/refitd")
        assert loaded(tmp_path, 'state_dir = "/s"\n' + SMALLEST, **environ).state_dir == Path("/s")


class TestOldNames:
    """The names that deployments use which had a rebuild script before."""

    def test_they_are_enough(self, tmp_path: Path) -> None:
        """No file, one target, called `backend`."""
        settings = load(None, OLD_NAMES, tmp_path)
        assert settings.dsn == OLD_NAMES["DATABASE_URL"]
        assert settings.docker_host == "unix:///run/docker.sock"
        assert settings.targets == (
            Target(
                name="backend",
                container="panel-backend",
                image="panel-backend:latest",
                source=Source(
                    repo="https://git.example.org/panel/core.git",
                    branch="stable",
                    subdir="backend",
                ),
            ),
        )
        assert settings.notes == ()

    def test_docker_host_as_docker_has_it(self, tmp_path: Path) -> None:
        """`DOCKER_HOST` is taken as it is; `DOCKER_SOCKET` is the plainer one and wins."""
        environ = {**OLD_NAMES, "DOCKER_HOST": "tcp://engine:2376"}
        assert load(None, environ, tmp_path).docker_host == "unix:///run/docker.sock"
        del environ["DOCKER_SOCKET"]
        assert load(None, environ, tmp_path).docker_host == "tcp://engine:2376"

    def test_they_fill_in_what_the_file_leaves_out(self, tmp_path: Path) -> None:
        """A DSN with a password need not be in the file."""
        text = SMALLEST.replace('dsn = "postgresql://refitd@localhost/panel"', "")
        assert loaded(tmp_path, text, DATABASE_URL="postgresql://x/y").dsn == "postgresql://x/y"

    def test_the_file_beats_them_and_a_note_says_so(self, tmp_path: Path) -> None:
        """A build server's `GIT_BRANCH` does not turn production to another branch."""
        settings = loaded(tmp_path, GIT_BRANCH="feature", GIT_SUBDIR="backend")
        assert settings.targets[0].source.branch == "main"
        assert settings.notes == (
            "GIT_BRANCH is passed over: `target.backend.source.branch` is set elsewhere",
        )

    def test_with_several_targets_they_are_passed_over(self, tmp_path: Path) -> None:
        """Which of the targets is meant would be a guess."""
        settings = loaded(
            tmp_path,
            IMAGE_TAG="other:1",
            REFITD_TARGET__WEB__CONTAINER="web",
            REFITD_TARGET__WEB__IMAGE="web:latest",
            REFITD_TARGET__WEB__SOURCE__REPO="https://git.example.org/web.git",
        )
        assert {target.image for target in settings.targets} == {
            "panel-backend:latest",
            "web:latest",
        }
        assert settings.notes == (
            "IMAGE_TAG is passed over: it is for a single target, and there are several",
        )

    def test_a_repo_is_not_in_the_way_of_a_folder(self, tmp_path: Path) -> None:
        """A stray `GIT_REPO` does not clash with a `path` in the file."""
        text = SMALLEST.replace('repo = "https://git.example.org/panel/core.git"', 'path = "src"')
        assert loaded(tmp_path, text, GIT_REPO="https://x/y.git").targets[0].source.repo is None
