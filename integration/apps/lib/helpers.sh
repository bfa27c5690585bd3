# What checks are written with. They run with `set -eEuo pipefail` in a new,
# empty directory of the mount; $S is a new, empty directory on the local disk.
# shellcheck shell=bash

fail() {
  echo "$*" >&2
  exit 1
}

# skip WHY: this cannot be checked here.
skip() {
  echo "$*" >&2
  exit 77
}

# eq GOT WANT [WHAT]
eq() {
  [ "$1" = "$2" ] || fail "${3:-value}: got '$1', want '$2'"
}

# refuses REGEX COMMAND...: the command must fail with a message like that.
refuses() {
  local like=$1 out code=0
  shift
  out=$("$@" 2>&1) || code=$?
  [ "$code" -ne 0 ] || fail "should have been refused: $*"
  grep -qE "$like" <<<"$out" || fail "wrong error of $*: $out"
}

# bytes N: N bytes that no compression shrinks and no two calls share.
bytes() {
  head -c "$1" /dev/urandom
}

# make_tree DIR: a small source tree with known modes, times and a link.
make_tree() {
  local i j
  mkdir -p "$1"
  for i in $(seq 9); do
    mkdir -p "$1/dir$i/sub"
    for j in 1 2; do bytes $((i * j * 2000 + j)) >"$1/dir$i/f$j"; done
    echo "text $i" >"$1/dir$i/sub/note.txt"
  done
  : >"$1/empty"
  bytes 3000000 >"$1/big.bin"
  mkdir "$1/nothing"
  ln -s dir1/f1 "$1/link"
  chmod 600 "$1/dir2/f1"
  chmod 755 "$1/dir2/f2"
  touch -d '2021-03-04 05:06:07' "$1/dir3/f1"
}

# tree_of DIR: kind, mode, owner, size, name and target of all that is in it.
# Directories have no size: each file system counts them in its own way.
tree_of() {
  (cd "$1" && find . -mindepth 1 \( -type d -printf '%y %m %U:%G - %P\n' -o -printf '%y %m %U:%G %s %P %l\n' \)) | sort
}

# same_tree A B: the same names, kinds, modes, owners, sizes and bytes.
same_tree() {
  diff <(tree_of "$1") <(tree_of "$2") >&2 || fail "the trees differ (< is $(basename "$1"))"
  diff -r --no-dereference "$1" "$2" >&2 || fail "contents differ"
}

# same_times A B: the same mtimes, to the nanosecond, of all but directories.
same_times() {
  diff <(cd "$1" && find . ! -type d -printf '%P %T@\n' | sort) <(cd "$2" && find . ! -type d -printf '%P %T@\n' | sort) >&2 ||
    fail "mtimes differ"
}

# as_local FUNCTION: runs the function in a local directory and in the mount;
# it must say the same and leave the same tree. It must not depend on chance.
as_local() {
  mkdir "$S/local"
  quietly "$S/local" "$1" "$S/said.local" || fail "fails on the local disk, too"
  quietly . "$1" "$S/said.mount" || fail "works on the local disk, not here"
  diff "$S/said.local" "$S/said.mount" >&2 || fail "says something else than on the local disk (<)"
  same_tree "$S/local" .
}

# quietly DIR FUNCTION FILE: what it says goes to FILE, and is shown if it
# fails. A process of its own: in a condition bash would ignore `set -e`.
quietly() {
  local code=0
  bash "$LIB/one.sh" "$FAMILY" "$2" "$1" >"$3" 2>&1 || code=$?
  [ $code = 0 ] || cat "$3" >&2
  return $code
}

# py: the Python program on stdin.
py() {
  python3 -I -
}
