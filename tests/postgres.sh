#!/usr/bin/env bash
# postgres.sh COMMAND… - runs a command beside a private PostgreSQL (Debian's package): data in a temporary
# folder, a unix socket only, no fsync, no port. The command finds its database in BORNITE_TEST_SQL, and may say
# `postgres.sh --ctl stop|start` (stop: as by a crash). Works as root too (PostgreSQL refuses root: then it runs as
# the package's user).
set -euo pipefail
export LC_ALL=C.UTF-8
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)
[ -x "${bin:-}/postgres" ] || { echo "postgres.sh: PostgreSQL is not installed (./dev deps)" >&2; exit 1; }
as=()
[ "$(id -u)" = 0 ] && as=(setpriv --reuid=postgres --regid=postgres --init-groups)

ctl() { (cd "$BORNITE_PG_DIR" && "${as[@]}" "$bin/pg_ctl" -s -w -t 60 -D "$BORNITE_PG_DIR/data" "$@" >&2); }
start() {
  ctl start -l "$BORNITE_PG_DIR/log" -o "-k '$BORNITE_PG_DIR' -c listen_addresses= -c fsync=off -c full_page_writes=off \
    -c max_connections=200 -c shared_buffers=128MB" || { tail -20 "$BORNITE_PG_DIR/log" >&2; return 1; }
}

if [ "${1:-}" = --ctl ]; then
  if [ "$2" = start ]; then start; else ctl stop -m immediate; fi
  exit
fi

BORNITE_PG_DIR=$(mktemp -d /tmp/bornite-pg-XXXXXX)
export BORNITE_PG_DIR BORNITE_TEST_SQL="postgresql://bornite@/postgres?host=$BORNITE_PG_DIR"
trap 'ctl stop -m immediate 2>/dev/null || true; rm -rf "$BORNITE_PG_DIR"' EXIT
trap 'exit 130' INT TERM
[ "$(id -u)" = 0 ] && chown postgres "$BORNITE_PG_DIR"
chmod 711 "$BORNITE_PG_DIR"
(cd "$BORNITE_PG_DIR" && "${as[@]}" "$bin/initdb" -D data -U bornite -A trust -E UTF8 --no-sync >initdb.log 2>&1) ||
  { cat "$BORNITE_PG_DIR/initdb.log" >&2; exit 1; }
start
"$@"
