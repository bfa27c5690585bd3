# Compilers, make, package managers, interpreters.
# shellcheck shell=bash

check gcc_make 'make, gcc, ar: a program and a library, built once' needs=make,gcc,g++,ar
gcc_make() {
  local i
  for i in 1 2 3; do echo "int f$i(int x){return x+$i;}" >f$i.c; done
  cat >main.c <<'C'
#include <stdio.h>
int f1(int), f2(int), f3(int);
int main(void) { printf("%d\n", f1(f2(f3(0)))); return 0; }
C
  cat >more.cc <<'C'
#include <iostream>
extern "C" int f1(int);
int main() { std::cout << f1(41) << std::endl; }
C
  printf '%s\n' 'all: prog more' 'prog: main.o libf.a' $'\tgcc -o $@ $^' 'more: more.o libf.a' $'\tg++ -o $@ $^' \
    'libf.a: f1.o f2.o f3.o' $'\tar rcs $@ $^' >Makefile
  make -s -j2
  eq "$(./prog) $(./more)" "6 42" output
  make -q || fail "make does not see that all is built"
}

check make_incremental 'make builds again only what depends on a changed file' needs=make
make_incremental() {
  printf '%s\n' 'out: a.o b.o' $'\tcat $^ > $@' '%.o: %.c' $'\tcp $< $@; echo made $@ >> log' >Makefile
  echo a >a.c
  echo b >b.c
  make -s out
  sleep 0.02
  echo a2 >a.c
  make -s out
  eq "$(paste -sd, log)" 'made a.o,made b.o,made a.o' log
  eq "$(paste -sd, out)" a2,b
}

check shared_library 'a shared library, loaded from the mount' needs=gcc,python3
shared_library() {
  echo 'int answer(void) { return 42; }' >a.c
  gcc -shared -fPIC -o liba.so a.c
  eq "$(python3 -I -c 'import ctypes; print(ctypes.CDLL("./liba.so").answer())')" 42
  strip liba.so
  eq "$(python3 -I -c 'import ctypes; print(ctypes.CDLL("./liba.so").answer())')" 42 stripped
}

check run_programs 'scripts that source scripts, and a copied program'
run_programs() {
  printf '#!/bin/bash\nsource ./lib.sh\nhello\n' >r
  echo 'hello() { echo "from $0"; }' >lib.sh
  chmod +x r
  eq "$(./r)" "from ./r"
  cp /bin/echo own
  eq "$(./own works)" works
  chmod -x own
  refuses 'Permission denied' ./own
}

check go_build 'go build of a module in the mount' needs=go limit=120 heavy
go_build() {
  go_module
  GOFLAGS=-mod=mod GOCACHE=$S/cache GOPATH=$S/gopath go build -o x .
  eq "$(./x 2>&1)" hi output
}

go_module() {
  printf 'module example.org/x\ngo 1.20\n' >go.mod
  printf 'package main\n\nfunc main() { println("hi") }\n' >main.go
}

check go_build_cache 'go build with its cache in the mount, the second time from the cache' needs=go limit=180 heavy
go_build_cache() {
  export GOFLAGS=-mod=mod GOCACHE=$PWD/cache GOPATH=$S/gopath
  mkdir m
  cd m
  go_module
  go build -o x .
  go build -v -a=false -o y . 2>"$S/second"
  [ ! -s "$S/second" ] || fail "built again: $(head -3 "$S/second")"
  cmp x y
}

check node_fs 'node: fs, require' needs=node
node_fs() {
  node - <<'J'
const fs = require("fs"), assert = require("assert");
fs.mkdirSync("m/n", { recursive: true });
fs.writeFileSync("m/n/a.json", JSON.stringify({ k: 1 }));
fs.appendFileSync("m/log", "x\n");
fs.appendFileSync("m/log", "y\n");
assert.equal(require(process.cwd() + "/m/n/a.json").k, 1);
assert.equal(fs.readFileSync("m/log", "utf8"), "x\ny\n");
fs.renameSync("m/n/a.json", "m/b.json");
assert.equal(fs.readdirSync("m").sort().join(), "b.json,log,n");
fs.copyFileSync("m/b.json", "m/c.json");
const f = fs.openSync("m/c.json", "r+");
fs.writeSync(f, "2", 5);
fs.ftruncateSync(f, 7);
fs.fsyncSync(f);
fs.closeSync(f);
assert.equal(JSON.parse(fs.readFileSync("m/c.json")).k, 2);
fs.rmSync("m", { recursive: true });
assert(!fs.existsSync("m"));
J
}

check node_watch 'node: fs.watch sees a change made here' needs=node
node_watch() {
  node - <<'J'
const fs = require("fs");
fs.writeFileSync("w", "1");
const watcher = fs.watch(".", (_, name) => { if (name === "w") process.exit(0); });
setTimeout(() => fs.writeFileSync("w", "2"), 100);
setTimeout(() => { watcher.close(); console.error("no event"); process.exit(1); }, 5000);
J
}

check npm_install 'npm install of a local package, with a link in .bin' needs=npm heavy
npm_install() {
  mkdir -p "$S/pkg"
  echo '{"name":"tiny","version":"1.0.0","main":"i.js","bin":"i.js"}' >"$S/pkg/package.json"
  printf '#!/usr/bin/env node\nmodule.exports = 7;\n' >"$S/pkg/i.js"
  (cd "$S" && npm pack ./pkg --silent >/dev/null)
  echo '{"name":"app","version":"1.0.0"}' >package.json
  npm install --offline --no-audit --no-fund --silent "$S/tiny-1.0.0.tgz"
  eq "$(node -p 'require("tiny")')" 7
  [ -L node_modules/.bin/tiny ] || fail "no link in .bin"
  node_modules/.bin/tiny
  npm ci --offline --no-audit --no-fund --silent
  npm uninstall --offline --no-audit --no-fund --silent tiny
  [ ! -e node_modules/tiny ] || fail "it is still there"
}

check python_import 'python: a package, its compiled cache, and a change of it' needs=python3
python_import() {
  mkdir pkg
  echo 'from .part import value' >pkg/__init__.py
  echo 'value = 1' >pkg/part.py
  unset PYTHONDONTWRITEBYTECODE
  eq "$(python3 -c 'import pkg; print(pkg.value)')" 1
  [ -d pkg/__pycache__ ] || fail "nothing was compiled"
  eq "$(python3 -c 'import pkg; print(pkg.value)')" 1 "from the cache"
  echo 'value = 2000' >pkg/part.py
  eq "$(python3 -c 'import pkg; print(pkg.value)')" 2000 "after a change"
}

check python_venv 'python: a virtual environment' needs=python3
python_venv() {
  if ! python3 -I -c 'import venv' 2>"$S/why"; then skip "python has no venv"; fi
  python3 -I -m venv --without-pip --symlinks v
  eq "$(v/bin/python -c 'import sys; print(sys.prefix)')" "$PWD/v" prefix
}

check python_archives 'python: zip written and added to, gzip, lzma, tarfile' needs=python3
python_archives() {
  py <<'P'
import gzip, io, lzma, os, tarfile, zipfile
data = os.urandom(300000)
with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("x.bin", data)
    z.writestr("d/t.txt", "text" * 1000)
with zipfile.ZipFile("a.zip", "a") as z:
    z.writestr("late", b"later")
with zipfile.ZipFile("a.zip") as z:
    assert z.testzip() is None
    assert z.read("x.bin") == data and z.read("late") == b"later"
for module, name in ((gzip, "a.gz"), (lzma, "a.xz")):
    with module.open(name, "wb") as f:
        f.write(b"data" * 10000)
    with module.open(name) as f:
        assert f.read() == b"data" * 10000
for i in range(2):  # the second one is added
    with tarfile.open("a.tar", "a") as t:
        info = tarfile.TarInfo(f"m{i}")
        info.size = 1000
        t.addfile(info, io.BytesIO(data[:1000]))
with tarfile.open("a.tar") as t:
    assert t.getnames() == ["m0", "m1"] and t.extractfile("m1").read() == data[:1000]
P
}

check python_files 'python: pathlib, shutil, tempfile, json state' needs=python3
python_files() {
  py <<'P'
import json, os, shutil, tempfile
from pathlib import Path
a = Path("a")
a.write_text("1")
Path("b").write_text("2")
a.replace("b")
assert Path("b").read_text() == "1" and not a.exists()
Path("b").rename("c")
Path("d/e/f").mkdir(parents=True)
shutil.move("c", "d/e/c")
assert sorted(x.name for x in Path("d").rglob("*")) == ["c", "e", "f"]
with tempfile.NamedTemporaryFile(dir=".", delete=False) as t:
    t.write(b"x" * 100000)
    t.flush()
    os.fsync(t.fileno())
os.replace(t.name, "d/final")
assert Path("d/final").stat().st_size == 100000
with tempfile.TemporaryFile(dir=".") as t:  # no name at all
    t.write(b"y" * 5000)
    t.seek(4000)
    assert t.read() == b"y" * 1000
with tempfile.TemporaryDirectory(dir=".") as t:
    Path(t, "x").touch()
shutil.copytree("d", "d2")
shutil.rmtree("d")
assert not Path("d").exists() and Path("d2/final").exists()
for i in range(10):
    Path("state.tmp").write_text(json.dumps({"n": i}))
    os.replace("state.tmp", "state.json")
    assert json.loads(Path("state.json").read_text())["n"] == i
assert sorted(os.listdir(".")) == ["d2", "state.json"], os.listdir(".")
P
}

check perl_files 'perl: open modes, tell, truncate, glob, rename' needs=perl
perl_files() { as_local perl_files_script; }
perl_files_script() {
  perl -we '
    use strict;
    open(my $f, "+>", "a") or die "a: $!";
    print $f "line $_\n" for 1..100;
    seek($f, 14, 0);
    print $f "CHANGED";
    truncate($f, 300) or die;
    close $f or die "close: $!";
    open($f, ">>", "a") or die;
    print $f "tail\n";
    print tell($f), "\n";
    close $f or die;
    rename("a", "b-$_") && rename("b-$_", "a") or die for 1..5;
    print join(",", glob("*")), " ", -s "a", "\n";'
}
