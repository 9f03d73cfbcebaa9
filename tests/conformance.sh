#!/usr/bin/env bash
# docs/conformance.tsv is whole and backed: 243 ids once each, known states, a place and a way to see it
# for whatever works in whole or part, and tests that exist and - where this run has logs - that passed.
set -uo pipefail
cd "$(dirname "$0")/.."
table=docs/conformance.tsv logs=build/test-logs
bad=0 good=0
ok() { good=$((good + 1)); }
no() { echo "$*"; bad=$((bad + 1)); }
ids=$(tail -n +2 $table | cut -f1)
[ "$(echo "$ids" | wc -l)" = 243 ] && ok || no "there are $(echo "$ids" | wc -l) rows, 243 are wanted"
[ -z "$(echo "$ids" | sort | uniq -d)" ] && ok || no "twice: $(echo "$ids" | sort | uniq -d | tr '\n' ' ')"
[ -z "$(echo "$ids" | grep -vE '^([0-9]+(\.[0-9]+)+|[A-D]\.[0-9]+)-[a-z]+$')" ] && ok || no "no clause ids: $(echo "$ids" | grep -vE '^([0-9]+(\.[0-9]+)+|[A-D]\.[0-9]+)-[a-z]+$' | head -3)"

# A test is named by its source: src/x_test.c, a folder of them, or tests/x.test.mjs.
ran() {
  local log
  case "$1" in
    tests/*.test.mjs) log=$logs/$(basename "$1" .test.mjs).log ;;
    src/*_test.c) log=$logs/unit-debug-asan/$(sed 's|^src/||; s|^core/[a-z]*/|core/|; s|/|_|g; s|\.c$||' <<<"$1").log ;;
    *) return 0 ;;
  esac
  [ ! -d $logs/unit-debug-asan ] || [ ! -d "$(dirname "$log")" ] && return 0
  [ -f "$log" ] && grep -aqE '^[1-9][0-9]* passed, 0 failed' "$log"
}
while IFS=$'\t' read -r id state where how tests; do
  case "$state" in
    none) [ "$where$how$tests" = "---" ] && ok || no "$id: none, yet something stands behind it"; continue ;;
    works | partly) ;;
    *) no "$id: '$state' is no state (works, partly, none)"; continue ;;
  esac
  [ "$where" != - ] && [ "$how" != - ] && [ "$tests" != - ] && ok || no "$id: $state without place, way to see it or tests"
  for t in ${tests//,/ }; do
    if [ -d "$t" ]; then ls "$t"/*_test.c >/dev/null 2>&1 && ok || no "$id: no tests in $t"
    elif [ ! -f "$t" ]; then no "$id: no test $t"
    elif ran "$t"; then ok; else no "$id: $t did not run or did not pass"; fi
  done
done < <(tail -n +2 $table)
echo "$good passed, $bad failed"
[ "$bad" -eq 0 ]
