#!/bin/bash
# apps.sh DIR    checks a mounted directory with real programs; prints TAP 13.
#
# Exit code 1 if a check is not ok, 2 if the checks could not run. Environment:
#   ONLY=REGEX        only checks whose FAMILY/NAME matches
#   QUICK=1           leave the heavy ones out
#   LIMIT=SECONDS     for one check (60); those that say more have it in proportion
#   REMOUNT=COMMAND   unmounts DIR and mounts it again; without it the checks across a remount are skipped
#   CI=true           a program that is missing is a failure ...
#   OPTIONAL='P ...'  ... but for these
#   CHECKS=DIR        other checks than those of checks/
#   TMPDIR=PATH       local disk for expected copies (/tmp)
set -uo pipefail
HERE=$(dirname "$(readlink -f "$0")")
# shellcheck source=lib/register.sh
. "$HERE/lib/register.sh"

# unavailable NAME: why a check cannot run here, or nothing.
unavailable() {
  local name=$1 program
  if is "$name" root && [ "$(id -u)" != 0 ]; then echo "needs root"; return; fi
  if is "$name" heavy && [ -n "${QUICK:-}" ]; then echo "heavy, left out of the quick run"; return; fi
  if is "$name" remount && [ -z "${REMOUNT:-}" ]; then echo "no REMOUNT command is given"; return; fi
  for program in $(needs "$name"); do
    command -v "$program" >/dev/null || { missing "$program"; return; }
  done
}

needs() { echo "${NEEDS[$1]:-}" | tr , " "; }

missing() {
  local package
  package=$(sed -n "s/^$1:\([^ ]*\).*/\1/p" "$HERE/programs")
  echo "$1 is not installed (Debian: apt-get install ${package:-$1})"
}

# must_have NAME: whether its programs may not be missing.
must_have() {
  local program
  [ "${CI:-}" = true ] || return 1
  for program in $(needs "$1"); do
    command -v "$program" >/dev/null || [[ " ${OPTIONAL:-} " == *" $program "* ]] || return 0
  done
  return 1
}

# step NAME FUNCTION: one process with a time limit and an environment of its
# own. Its output goes to $SCRATCH/output.
step() {
  local name=$1 limit code=0
  limit=$((${MAXTIME[$name]:-60} * LIMIT / 60))
  timeout -k 5 "$limit" env -i PATH="$PATH" LC_ALL=C.UTF-8 TZ=UTC HOME="$SCRATCH/$name" TMPDIR="$SCRATCH/$name" \
    S="$SCRATCH/$name" CHECKS="$CHECKS" PYTHONDONTWRITEBYTECODE=1 GIT_CONFIG_NOSYSTEM=1 \
    bash "$HERE/lib/one.sh" "${FAMILY[$name]}" "$2" "$ROOT/$name" </dev/null >"$SCRATCH/output" 2>&1 || code=$?
  if [ $code = 124 ] || [ $code = 137 ]; then echo "no end after $limit s" >>"$SCRATCH/output"; fi
  return $code
}

# enter NAME and leave NAME make and remove the directories of a check.
enter() {
  mkdir -p "$SCRATCH/$1"
  timeout 20 mkdir "$ROOT/$1" >"$SCRATCH/output" 2>&1
}

leave() {
  rm -rf "${SCRATCH:?}/$1"
  timeout "$LIMIT" rm -rf "${ROOT:?}/$1" 2>"$SCRATCH/removal" && return
  echo "its directory cannot be removed: $(tail -1 "$SCRATCH/removal")" >>"$SCRATCH/output"
  return 1
}

# result NUMBER NAME CODE: its line, with what the check said if it failed.
result() {
  local number=$1 name=$2 code=$3 line todo=${TODO[$2]:-}
  line="$number - ${FAMILY[$name]}/$name: ${TITLE[$name]}"
  if [ "$code" = 77 ]; then
    echo "ok $line # SKIP $(tail -1 "$SCRATCH/output")"
    count_skip=$((count_skip + 1))
  elif [ "$code" = 0 ] && [ -z "$todo" ]; then
    echo "ok $line"
    count_ok=$((count_ok + 1))
  elif [ "$code" = 0 ]; then
    echo "ok $line # TODO $todo"
    [[ $todo == sometimes:* ]] || passing_todo+=("$name")
    count_ok=$((count_ok + 1))
  elif [ -n "$todo" ] && grep -qE "${LIKE[$name]:-.}" "$SCRATCH/output"; then
    echo "not ok $line # TODO $todo"
    count_todo=$((count_todo + 1))
  else
    echo "not ok $line"
    explain
    count_bad=$((count_bad + 1))
  fi
}

explain() {
  echo "  ---"
  echo "  message: |"
  { grep -v '^[[:space:]]*$' "$SCRATCH/output" || echo "no message"; } | tail -n 12 | cut -c1-300 |
    sed "s|$ROOT|DIR|g; s|$SCRATCH|SCRATCH|g; s/^/    /"
  echo "  ..."
}

# before_remount runs the first halves of the checks across a remount, and
# notes in FIRST those that failed.
before_remount() {
  local name
  for name; do
    if [ -n "$(unavailable "$name")" ]; then continue; fi
    if enter "$name" && step "$name" "before_$name"; then continue; fi
    FIRST[$name]="before the remount: $(tail -n 3 "$SCRATCH/output")"
  done
  [ -n "${REMOUNT:-}" ] || return 0
  timeout $((LIMIT * 3)) bash -c "$REMOUNT" >"$SCRATCH/remount.log" 2>&1 && return
  echo "Bail out! The remount failed: $(tail -1 "$SCRATCH/remount.log")"
  return 1
}

# one NUMBER NAME runs one check.
one() {
  local number=$1 name=$2 code=0 why start=$SECONDS
  why=$(unavailable "$name")
  if [ -n "$why" ]; then
    echo "$why" >"$SCRATCH/output"
    code=77
    if must_have "$name"; then code=1; fi
  elif [ -n "${FIRST[$name]:-}" ]; then
    echo "${FIRST[$name]}" >"$SCRATCH/output"
    code=1
    leave "$name"
  else
    is "$name" remount || enter "$name" || code=1
    [ $code != 0 ] || step "$name" "$name" || code=$?
    leave "$name" || [ $code != 0 ] || code=1
  fi
  result "$number" "$name" "$code"
  times+=("$((SECONDS - start)) s $name")
}

summary() {
  local all=$1
  if [ ${#passing_todo[@]} -gt 0 ]; then
    echo "# passes though it is a TODO: ${passing_todo[*]}"
  fi
  echo "# longest: $(printf '%s\n' "${times[@]}" | sort -rn | head -8 | paste -sd, | sed 's/,/, /g')"
  echo "# $all checks in $SECONDS s: $count_ok ok, $count_bad not ok, $count_skip skipped, $count_todo TODO"
}

main() {
  local name number=0 chosen=() remounted=()
  load_checks "$CHECKS"
  for name in "${ORDER[@]}"; do
    [[ ${FAMILY[$name]}/$name =~ ${ONLY:-.} ]] || continue
    # Those across a remount come last.
    if is "$name" remount; then remounted+=("$name"); else chosen+=("$name"); fi
  done
  echo "TAP version 13"
  echo "1..$((${#chosen[@]} + ${#remounted[@]}))"
  for name in "${chosen[@]}"; do
    number=$((number + 1))
    one $number "$name"
  done
  if [ ${#remounted[@]} -gt 0 ]; then
    before_remount "${remounted[@]}" || return 2
    for name in "${remounted[@]}"; do
      number=$((number + 1))
      one $number "$name"
    done
  fi
  summary "$number"
  [ $count_bad = 0 ]
}

clean_up() {
  timeout "$LIMIT" rm -rf "$ROOT" || echo "# left behind: $ROOT"
  rm -rf "$SCRATCH"
}

[ $# = 1 ] || { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
# The system's programs come before the shims of version managers, whose start
# alone can take half a second.
export PATH="/usr/bin:/bin:$PATH"
LIMIT=${LIMIT:-60} CHECKS=$(readlink -f "${CHECKS:-$HERE/checks}")
declare -A FIRST=()
declare -a passing_todo=() times=()
count_ok=0 count_bad=0 count_skip=0 count_todo=0
SCRATCH=$(mktemp -d -t apps.XXXXXX) || exit 2
ROOT=$(timeout 20 mktemp -d "$(readlink -f "$1")/apps.XXXXXX") || { rmdir "$SCRATCH"; exit 2; }
trap clean_up EXIT
trap 'exit 2' INT TERM HUP
timeout 20 chmod 755 "$ROOT" # others look in, too
main
