#!/usr/bin/env bash
# collect.sh [what] [arguments] - from the wire to history and on; each counts at both ends and ends by itself, data in a
# temporary directory.
#   field [points] [seconds] [devices]  `bornite sim --big` as Modbus TCP devices with a connection each (100000, 600, 1000)
#   storm [devices] [seconds]           the whole field vanishes for so long and returns (1000, 15)
#   opcua [items] [seconds] [secure]    one Bornite offers the field by OPC UA, another subscribes; node-opcua beside it
#   outage [points] [seconds] [receiver] [speed] [live]  a receiver is away for so long, then back-fill beside live data
#                                       (10000, 3600, bornite, 10 times faster, 30 s of live data after it)
# A number instead of a name: field.
set -euo pipefail
cd "$(dirname "$0")/.."
what=field
if [[ ${1:-} =~ ^[a-z]+$ ]]; then what=$1; shift; fi
exec node "bench/collect/$what.mjs" "$PWD/build/release/bornite" "$@"
