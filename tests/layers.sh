#!/usr/bin/env bash
# The layers hold: every #include "x/y.h" names a layer that its target may see (that a forbidden one does
# not compile is CMake's work; this also finds what could go round it), and prints the folder graph.
set -uo pipefail
cd "$(dirname "$0")/.."
bad=0 good=0
declare -A may
deps() { # target line of src/CMakeLists.txt -> the layers it names
  sed -n "s|^bornite_target($1 .*DEPS \([^)]*\)).*|\1|p; s|^bornite_target($1  *DEPS \([^)]*\)).*|\1|p" src/CMakeLists.txt | head -1 |
    sed "s|LIBS.*||; s|PARTS.*||; s|\${DRIVER_LAYERS}|$(sed -n 's|^set(DRIVER_LAYERS \(.*\))|\1|p' src/CMakeLists.txt)|; s|\${MODULE_LAYERS}|$(sed -n 's|^set(MODULE_LAYERS \(.*\))|\1|p' src/CMakeLists.txt)|"
}
for dir in base io proto model tsdb store core sim $(ls -d src/drivers/*/ src/modules/*/ | sed 's|^src/||; s|/$||'); do
  allowed=" $dir $(deps "$dir") "
  used=$(grep -rhoE '^#include "[a-z_]+(/[a-z_0-9]+)*\.h"' "src/$dir" --include='*.c' --include='*.h' | sed -E 's|#include "(.*)/[^/]*\.h"|\1|' | sort -u)
  for u in $used; do
    case "$u" in "$dir"/*) good=$((good + 1)); continue ;; core/*) [ "$dir" = app ] || u=core ;; proto/*) u=proto ;; esac # parts of a target
    case "$allowed" in *" $u "*) good=$((good + 1)) ;; *) echo "$dir includes $u, which it must not see"; bad=$((bad + 1)) ;; esac
  done
  echo "$dir -> $(echo $used | tr '\n' ' ')"
done
if grep -rnE '#include "\.\./' src include --include='*.c' --include='*.h'; then echo "includes by .. go round the layers"; bad=$((bad + 1)); else good=$((good + 1)); fi
echo "$good passed, $bad failed"
[ "$bad" -eq 0 ]
