"""An OpenSSH server at a loopback address, into which one key of its own gets in, as who we are.

It is there so that repositories can be reached as `ssh://` and as `user@host:path`. Debian's, as
there is none to be had by pip.
"""

import os
import pwd
import shlex
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from rig import debian, ports
from rig.child import Child, Traces

#: Where Debian's drops its privileges into, made by its service, which we do not start.
_EMPTY = Path("/run/sshd")


class SshServer:
    """A context manager; its keys are gone with it."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        program = debian.need("sshd", "openssh-server", why="tests need an SSH server")
        if os.geteuid() == 0:
            _EMPTY.mkdir(mode=0o755, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="refitd-rig-sshd-"))
        self.port = ports.free_port(self.host)
        for name in ("server", "client", "stranger"):
            self._make_key(name)
        settings = self._folder / "sshd_config"
        settings.write_text(self._settings())
        where = f"[{self.host}]:{self.port}"
        (self._folder / "known").write_text(f"{where} {self._public('server')}")
        argv = [program, "-D", "-e", "-f", str(settings)]
        child = Child(argv, self._folder / "log", Traces([self._folder]))
        self.child = self._stack.enter_context(child)
        if not ports.answers(self.host, self.port):
            words = child.last_words()
            self._stack.close()
            raise RuntimeError(f"sshd did not come up:\n{words}")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def url(self, path: Path) -> str:
        """`ssh://`, with the port in it."""
        return f"ssh://{self.user}@{self.host}:{self.port}{path}"

    def command(self, *, key: str = "client", known: bool = True) -> str:
        """For GIT_SSH_COMMAND: the client, with our key (or a stranger's), to our server (known or
        not). The port is in it for `user@host:path`, which has no room for one."""
        hosts = self._folder / "known" if known else Path(os.devnull)
        words = [
            *("ssh", "-F", os.devnull, "-p", str(self.port), "-i", str(self._folder / key)),
            *("-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"),
            *("-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={hosts}"),
        ]
        return shlex.join(words)

    def _make_key(self, name: str) -> None:
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self._folder / name)]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL)

    def _public(self, name: str) -> str:
        return (self._folder / f"{name}.pub").read_text()

    def _settings(self) -> str:
        return (
            f"ListenAddress {self.host}\n"
            f"Port {self.port}\n"
            f"HostKey {self._folder / 'server'}\n"
            f"AuthorizedKeysFile {self._folder / 'client.pub'}\n"
            "PidFile none\n"
            "StrictModes no\n"
            "UsePAM no\n"
            "PasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\n"
            "PermitRootLogin prohibit-password\n"
        )
