#!/usr/bin/env bash
# tsdb.sh [points] [seconds] [queries] - the time-series engine beside InfluxDB, VictoriaMetrics, ClickHouse (Debian packages)
# and DuckDB (npm), in one run. Installs the peers when it may; prints figures, ratios, and which goals are met.
# Needs about 100 bytes of scratch a sample, and some minutes at 10000 3600.
set -euo pipefail
cd "$(dirname "$0")/.."
peers="influxdb victoria-metrics clickhouse-server"
DUCKDB="@duckdb/node-bindings-linux-x64@1.5.6-r.1"
DUCKDB_SHA512="sha512-IXcrZJE6kEqM0Z4wwdVnGBHX/frOS33VPNAwDXQ/Q+Fs84b058Qe94chrCCIcNJlG8Y3UHIUU4eBeCQxW5mN1Q=="

missing=$(for p in $peers; do dpkg -s "$p" >/dev/null 2>&1 || echo "$p"; done)
if [ -n "$missing" ] && [ "$(id -u)" = 0 ]; then
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >/dev/null 2>&1 || echo "cannot install: $missing"
fi
if [ ! -f build/peers/libduckdb.so ]; then
  mkdir -p build/peers
  (cd build/peers && file=$(npm pack --silent "$DUCKDB") &&
    [ "sha512-$(openssl dgst -sha512 -binary "$file" | base64 -w0)" = "$DUCKDB_SHA512" ] &&
    tar xzf "$file" --strip-components=1 package/libduckdb.so && rm "$file") || echo "DuckDB cannot be fetched"
fi
build=${BORNITE_BUILD:-build/release}
BORNITE_LIBDUCKDB=$PWD/build/peers/libduckdb.so exec node bench/tsdb/tsdb.mjs "$PWD/$build" "${1:-10000}" "${2:-3600}" "${3:-}"
