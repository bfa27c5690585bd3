#!/bin/bash
# one.sh FAMILY FUNCTION DIR    runs one function of $CHECKS/FAMILY.sh in DIR.
# The environment has S, too, a scratch directory on the local disk.
set -eEuo pipefail
LIB=$(dirname "$(readlink -f "$0")")
FAMILY=$1
check() { :; }
# shellcheck source=helpers.sh
. "$LIB/helpers.sh"
# shellcheck source=/dev/null
. "$CHECKS/$FAMILY.sh"
trap 'echo "failed with $?: ${BASH_COMMAND%%$'"'\n'"'*}" >&2' ERR
cd "$3"
"$2"
