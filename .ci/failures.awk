# Shows what failed in an output of `go test`, so that it can stand at the end of
# a log: of each failed package its failed tests and what it printed beside them,
# each cut in its middle; then the names of all, with the first lines of each.

# flush ends a block of lines: a failed test, or what no test printed.
function flush(  i) {
  if (!shown) { lines = 0; return }
  for (i = 1; i <= lines; i++) {
    if (lines > first + last && i > first && i <= lines - last) {
      if (i == first + 1) section = section "    ... " lines - first - last " lines ...\n"
      continue
    }
    section = section line[i] "\n"
  }
  lines = 0
}

BEGIN { first = 80; last = 60; shown = 1 }

/^(ok  |\?   |FAIL)\t/ {
  flush()
  if ($1 == "FAIL") {
    printf "%s%s\n", section, $0
    names = names test $0 "\n"
  }
  section = test = ""; shown = 1
  next
}
/^ *--- (PASS|SKIP|FAIL): / {
  flush()
  shown = $2 == "FAIL:"
  more = 0
  if (shown) test = test "  " $0 "\n"
}
{ line[++lines] = $0 }
# The beginning of what a test said goes with its name.
shown && test != "" && !/^ *--- / && more++ < 3 { test = test "  " substr($0, 1, 240) "\n" }

END {
  flush() # what ended without a verdict, and what make said
  printf "%s", section
  if (names != "") printf "== failed\n%s", names
}
