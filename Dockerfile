# refitd in a container:
#
#   docker build -t refitd .
#   docker run -d --name refitd --restart unless-stopped --stop-timeout 300 \
#     -v /var/run/docker.sock:/var/run/docker.sock -v refitd-state:/var/lib/refitd \
#     -v "$PWD/refitd.toml":/etc/refitd/refitd.toml:ro refitd
#
# compose.yaml has it with all it works with. `docker exec refitd refitd status` and the other
# commands work in it as well.
#
# Who it runs as: root, since the group that may use the engine's socket has another number on
# every machine. As somebody else, with that number (the state volume is made for 10001):
#
#   docker run --user 10001 --group-add "$(stat -c %g /var/run/docker.sock)" ...
#
# That keeps mistakes in, not an attacker: who has the socket is root on the machine.
#
# Without an index: put wheels for the base's Python into dist/wheels, and only those are used.
#
#   pip download -d dist/wheels --require-hashes -r requirements/run.txt
#   pip download -d dist/wheels pip hatchling
#   docker build --build-arg PACKAGES= -t refitd .

# Any Debian with Python 3.11 or later; pip comes from it, or from dist/wheels.
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
# A folder of wheels may not be there: `wheel[s]` may match nothing, a plain name must not.
COPY requirements/run.txt dist/wheel[s]/* /wheels/
# An environment of its own, as Debian's Python asks for (PEP 668). The same commands with and
# without an index: pip reads the variables, also where it installs the build backend.
RUN set -eu; \
    pip="-m pip"; \
    if ls /wheels/*.whl >/dev/null 2>&1; then \
      printf '[global]\nno-index = true\nfind-links = /wheels\n' >/etc/pip.conf; \
      if ls /wheels/pip-*.whl >/dev/null 2>&1; then pip="$(echo /wheels/pip-*.whl)/pip"; fi; \
    fi; \
    printf '#!/bin/sh\nexec python3 %s --python /opt/refitd --no-cache-dir --disable-pip-version-check "$@"\n' \
      "$pip" >/usr/local/bin/pip-into-refitd; \
    chmod +x /usr/local/bin/pip-into-refitd; \
    python3 -m venv --without-pip /opt/refitd; \
    pip-into-refitd install --require-hashes -r /wheels/run.txt
COPY pyproject.toml README.md ./
COPY daemon daemon
COPY sql sql
COPY systemd systemd
RUN pip-into-refitd install --no-deps .

FROM ${BASE}
# For repositories over ssh; empty where there are none, or no packages in reach.
ARG PACKAGES=openssh-client
RUN if [ -n "${PACKAGES}" ]; then \
      apt-get update && apt-get install -y --no-install-recommends ${PACKAGES} \
      && rm -rf /var/lib/apt/lists/*; \
    fi
COPY --from=build /opt/refitd /opt/refitd
RUN mkdir -p /var/lib/refitd && chown 10001:10001 /var/lib/refitd && chmod 0700 /var/lib/refitd
# The port is what the health check asks, so it is set here and wins over the file's.
ENV PATH=/opt/refitd/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    REFITD_STATE_DIR=/var/lib/refitd \
    REFITD_METRICS_PORT=9187
# Holds the daemon's id, by which a new container takes its own lease back at once.
VOLUME /var/lib/refitd
WORKDIR /var/lib/refitd
STOPSIGNAL SIGTERM
# Healthy is who listens: not one who waits for Postgres.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python3", "-c", \
  "import os, urllib.request as http; http.urlopen(f'http://127.0.0.1:{os.environ[\"REFITD_METRICS_PORT\"]}/healthz', timeout=4)"]
ENTRYPOINT ["refitd"]
CMD ["run"]
