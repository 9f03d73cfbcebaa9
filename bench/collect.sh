#!/usr/bin/env bash
# collect.sh [points] [seconds] - the whole way from the wire to history: `bornite sim --big` as Modbus
# devices (1,000 registers a station), `bornite serve` collecting every point once a second. Counts at
# both ends, prints CPU and RSS of serve. Ends by itself; data in a temporary directory.
set -euo pipefail
cd "$(dirname "$0")/.."
exec node bench/collect.mjs "$PWD/build/release/bornite" "${1:-100000}" "${2:-600}"
