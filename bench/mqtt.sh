#!/usr/bin/env bash
# mqtt.sh [messages] [rounds] - MQTT QoS 1, 100 connections, JSON of 100 bytes: `bornite serve` (acknowledged = durable in
# history) beside mosquitto with one subscriber, in turns in the same run, per CPU-second; then 10,000 idle connections.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${BORNITE:-$PWD/build/release/bornite}
exec node bench/mqtt/mqtt.mjs "$bin" "$(dirname "$bin")/bench/bench_mqtt_load" "${1:-2000000}" "${2:-3}"
