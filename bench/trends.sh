#!/usr/bin/env bash
# trends.sh - twenty pens over ten years in Chromium: see trends.mjs. YEARS=2 for a quick look.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -d tests/node_modules ] || (cd tests && npm ci --silent --no-audit --no-fund)
BORNITE=${BORNITE_BUILD:-build/release}/bornite exec node bench/trends.mjs
