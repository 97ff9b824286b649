#!/bin/sh
# A cluster for POSTGRES_PASSWORD with a database POSTGRES_DB, made at the first start.
set -eu
PATH="$(echo /usr/lib/postgresql/*/bin):$PATH"
[ "$1" = postgres ] || exec "$@"

as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  chown postgres:postgres "$PGDATA"
  printf %s "$POSTGRES_PASSWORD" >/tmp/password
  chmod 0644 /tmp/password
  as_postgres initdb --auth=scram-sha-256 --pwfile=/tmp/password --encoding=UTF8 \
    --locale=C --no-sync
  rm /tmp/password
  echo "CREATE DATABASE $POSTGRES_DB" | as_postgres postgres --single postgres
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
fi
exec setpriv --reuid=postgres --regid=postgres --init-groups \
  postgres -c listen_addresses='*' -c fsync=off -c unix_socket_directories=/tmp
