"""What the tests' containers are made of."""

from __future__ import annotations

#: Runs until it is told to stop, and then goes at once.
SLEEPER = (
    'CMD ["python3", "-c", "import signal, sys; signal.signal(15, lambda *_: sys.exit(0)); '
    'signal.pause()"]'
)
#: An image with something of everything that an image may supply.
PANEL = (
    "ENV LEVEL=1 KEPT=same",
    "LABEL maker=first shared=both",
    "WORKDIR /srv",
    "RUN mkdir -m 777 /data",
    "EXPOSE 8080",
    "VOLUME /data",
)


def dockerfile(base: str, *lines: str) -> str:
    """Such a container on `base`."""
    return "\n".join((f"FROM {base}", SLEEPER, *lines)) + "\n"
