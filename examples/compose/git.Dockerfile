# A git server by HTTP, with the example backend in a repository as its README says to make one.
# Whoever reaches it may push: it is for one machine and an afternoon.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN if ! command -v git || ! command -v lighttpd; then \
      apt-get update && apt-get install -y --no-install-recommends git lighttpd \
      && rm -rf /var/lib/apt/lists/*; \
    fi
WORKDIR /src/panel
COPY examples/backend daemon/refitd/gen_modules.py backend/
# (The requirements are there already; they stand here since COPY wants one file at least.)
COPY examples/backend/requirements.txt dist/wheel[s]/psycopg*.whl dist/wheel[s]/typing_extensions*.whl backend/wheels/
RUN set -e; \
    rm backend/wheels/requirements.txt; \
    git init --quiet --initial-branch=main .; \
    git add --all --force; \
    git -c user.name=Panel -c user.email=panel@example.org commit --quiet -m "The backend"; \
    git clone --quiet --bare . /srv/git/panel; \
    git -C /srv/git/panel config http.receivepack true; \
    git -C /srv/git/panel config uploadpack.allowReachableSHA1InWant true; \
    git config --system --add safe.directory '*'
COPY examples/compose/lighttpd.conf /etc/lighttpd/lighttpd.conf
VOLUME /srv/git
EXPOSE 80
CMD ["lighttpd", "-D", "-f", "/etc/lighttpd/lighttpd.conf"]
