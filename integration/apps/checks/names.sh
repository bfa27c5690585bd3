# Names that programs make.
# shellcheck shell=bash

ODD=('a b' 'ünïcödé-日本語-😀' $'new\nline' 'quote"'\''`$x' '-dash' 'percent%20%2F+plus&amp;<>' 'back\slash'
  ' lead' 'trail ' '.hidden' '...' '#?;:@=*[]{}|^~' $'tab\tand\x01control' 'CON' 'a:b')

check odd_names 'spaces, quotes, controls, unicode: made, listed, moved, removed' needs=python3
odd_names() {
  local n
  for n in "${ODD[@]}"; do
    printf %s "$n" >"./$n"
    eq "$(cat "./$n")" "$n" contents
  done
  eq "$(python3 -I -c 'import os; print(len(os.listdir(".")))')" ${#ODD[@]} entries
  mkdir 'dir with $'
  for n in "${ODD[@]}"; do mv -- "./$n" "dir with \$/$n.2"; done
  for n in "${ODD[@]}"; do eq "$(cat "dir with \$/$n.2")" "$n" contents; done
  for n in "${ODD[@]}"; do rm -- "dir with \$/$n.2"; done
  rmdir 'dir with $'
}

check odd_directories 'directories of such names, with files, moved as a whole'
odd_directories() {
  local n
  mkdir all
  for n in "${ODD[@]}"; do
    mkdir -p "all/$n/in"
    printf %s "$n" >"all/$n/in/$n"
  done
  mv all moved
  for n in "${ODD[@]}"; do eq "$(cat "moved/$n/in/$n")" "$n" contents; done
}

check not_utf8 'names that are not UTF-8' needs=python3
not_utf8() {
  py <<'P'
import os
names = [b"latin-\xe9", b"\xff\xfe", b"cut-\xe6\x97"]
for n in names:
    with open(n, "wb") as f:
        f.write(n)
assert sorted(os.listdir(b".")) == sorted(names), os.listdir(b".")
for n in names:
    assert open(n, "rb").read() == n
    os.rename(n, n + b"2")
    os.unlink(n + b"2")
P
}

check unicode_forms 'composed and decomposed letters are two names' needs=python3
unicode_forms() {
  py <<'P'
import os
for name in ("\u00e9", "e\u0301"):
    with open(name, "w") as f:
        f.write(ascii(name))
assert len(os.listdir(".")) == 2
assert open("e\u0301").read() == ascii("e\u0301")
P
}

check sorted_listing 'ls of names around the slash: a, a-b, a/, a.b, a0'
sorted_listing() { as_local sorted_listing_script; }
sorted_listing_script() {
  mkdir q
  (cd q && touch a-b a.b a0 'a b' 'a+b' 'a%2Fb' é && mkdir a ab && touch a/x ab/y)
  ls -1 q
  ls -R q
  rm -r q/a
  ls -1 q
}

check prefix_names 'a file and a directory that share a beginning; one takes the name of the other'
prefix_names() { as_local prefix_names_script; }
prefix_names_script() {
  echo f >ab
  mkdir ab.d a
  : >ab.d/x
  echo 1 >a/b
  ls
  rm -r a
  rm ab
  mkdir ab
  : >ab/y
  ls ab
  rm -r ab
  echo again >ab
}

check long_names '255 bytes and no more'
long_names() { as_local long_names_script; }
long_names_script() {
  local n
  n=$(printf 'n%.0s' $(seq 255))
  echo x >"$n"
  cat "$n"
  touch "${n}n" 2>&1 || true
  mkdir "${n}n" 2>&1 || true
  mv "$n" "${n}n" 2>&1 || true
}

check long_keys 'a path of more than 1,024 bytes' \
  todo='SEMANTICS 1.7: a key has at most 1,024 bytes' like='File name too long'
long_keys() {
  local part deep
  part=$(printf 'p%.0s' $(seq 200))
  deep=$part/$part/$part/$part/$part/$part
  mkdir -p "$deep"
  echo x >"$deep/f"
  eq "$(cat "$deep/f")" x
}

check reserved_names 'names that begin with .pailfs~' \
  todo='SEMANTICS 1.5: reserved names are EINVAL' like='Invalid argument'
reserved_names() {
  echo x >.pailfs~empty
  echo y >.pailfs~file~a
  eq "$(cat .pailfs~empty .pailfs~file~a | paste -sd,)" x,y
}

check case_sensitive 'A and a'
case_sensitive() { as_local case_sensitive_script; }
case_sensitive_script() {
  echo 1 >A
  echo 2 >a
  mkdir d D
  mkdir d 2>&1 || true
  mv a b
  ls
}
