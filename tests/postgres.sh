#!/usr/bin/env bash
# postgres.sh COMMAND… - runs a command beside a private PostgreSQL (Debian's package): data in a temporary
# folder, a unix socket only, no fsync, no port. The command finds its database in BORNITE_TEST_SQL. Works as root
# too (PostgreSQL refuses root: then it runs as the package's user).
set -euo pipefail
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)
[ -x "${bin:-}/postgres" ] || { echo "postgres.sh: PostgreSQL is not installed (./dev deps)" >&2; exit 1; }
dir=$(mktemp -d /tmp/bornite-pg-XXXXXX)
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid=postgres --regid=postgres --init-groups)
  chown postgres "$dir"
fi
chmod 711 "$dir"
export LC_ALL=C.UTF-8
(cd "$dir" && "${as[@]}" "$bin/initdb" -D "$dir/data" -U bornite -A trust -E UTF8 --no-sync >"$dir/../${dir##*/}.log" 2>&1) ||
  { cat "/tmp/${dir##*/}.log" >&2; exit 1; }
(cd "$dir" && exec "${as[@]}" "$bin/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c fsync=off \
  -c full_page_writes=off -c max_connections=200 -c shared_buffers=128MB ${BORNITE_PG_OPTIONS:-} >>"/tmp/${dir##*/}.log" 2>&1) &
server=$!
end() {
  kill -INT "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  rm -rf "$dir" "/tmp/${dir##*/}.log"
}
trap end EXIT
trap 'exit 130' INT TERM
for _ in $(seq 200); do
  "$bin/pg_isready" -q -h "$dir" -U bornite -d postgres && break
  kill -0 "$server" 2>/dev/null || { cat "/tmp/${dir##*/}.log" >&2; exit 1; }
  sleep 0.05
done
export BORNITE_TEST_SQL="postgresql://bornite@/postgres?host=$dir" BORNITE_PG_DIR=$dir BORNITE_PG_PID=$server
"$@"
