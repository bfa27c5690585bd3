# Declarations of checks, for the runner.
#
#   check NAME 'what it shows' [needs=PROGRAM,...] [limit=SECONDS] [heavy] [root] [remount]
#         [todo='CLAUSE: what is not offered' like='REGEX of the message']
#
# The function NAME beside it is the check. See README.md for the words.
# shellcheck shell=bash

declare -a ORDER=()
declare -A FAMILY=() TITLE=() NEEDS=() MAXTIME=() TODO=() LIKE=() WORDS=()

check() {
  local name=$1 word
  [ -z "${FAMILY[$name]:-}" ] || { echo "two checks are named $name" >&2; exit 2; }
  ORDER+=("$name")
  FAMILY[$name]=$CURRENT_FAMILY
  TITLE[$name]=$2
  shift 2
  for word; do
    case $word in
      needs=*) NEEDS[$name]=${word#*=} ;;
      limit=*) MAXTIME[$name]=${word#*=} ;;
      todo=*) TODO[$name]=${word#*=} ;;
      like=*) LIKE[$name]=${word#*=} ;;
      heavy | root | remount) WORDS[$name]+=" $word" ;;
      *) echo "check $name: unknown word $word" >&2; exit 2 ;;
    esac
  done
}

is() { [[ " ${WORDS[$1]:-} " == *" $2 "* ]]; }

load_checks() { # DIR
  local file
  for file in "$1"/*.sh; do
    CURRENT_FAMILY=$(basename "$file" .sh)
    # shellcheck source=/dev/null
    . "$file"
  done
}
