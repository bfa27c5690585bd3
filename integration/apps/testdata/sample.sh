# One check for each kind of result, for the test of apps.sh.
# shellcheck shell=bash

check passes 'it passes'
passes() { as_local passes_script; }
passes_script() { echo x >f; }

check fails 'it fails'
fails() {
  [ -d . ]
  eq a b letter
  echo not reached
}

check fails_inside 'it fails in a function that as_local runs'
fails_inside() { as_local fails_inside_script; }
fails_inside_script() {
  case $PWD in
    "$S"/*) ;;
    *) false ;;
  esac
  echo not reached
}

check differs 'it leaves something else than on the local disk'
differs() { as_local differs_script; }
differs_script() { pwd >f; }

check skips 'it skips itself'
skips() { skip "no reason"; }

check lacks 'its program is missing' needs=no-such-program
lacks() { :; }

check is_heavy 'it takes long' heavy
is_heavy() { :; }

check todo_fails 'what is not offered' todo='CLAUSE: not offered' like='not offered'
todo_fails() { fail "this is not offered"; }

check todo_breaks 'what is not offered fails in another way' todo='CLAUSE: not offered' like='not offered'
todo_breaks() { fail "crash"; }

check todo_passes 'what is offered by now' todo='CLAUSE: not offered' like='not offered'
todo_passes() { :; }

check hangs 'it does not end' limit=2
hangs() { sleep 1000; }

check stays 'two halves' remount
before_stays() { echo before >f; }
stays() { eq "$(cat f)" before; }
