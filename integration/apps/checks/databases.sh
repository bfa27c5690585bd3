# Databases: locks, journals, shared memory, many small writes in place.
# shellcheck shell=bash

# sqlite_life MODE: the life of a database with that journal.
sqlite_life() {
  eq "$(sqlite3 db "PRAGMA journal_mode=$1")" "$1" journal_mode
  sqlite3 db 'CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX i ON t(v);'
  sqlite3 db "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<1000)
    INSERT INTO t(v) SELECT 'row '||hex(randomblob(8)) FROM c"
  eq "$(sqlite3 db 'SELECT count(*) FROM t')" 1000 rows
  sqlite3 db "BEGIN; DELETE FROM t WHERE id%2; ROLLBACK; UPDATE t SET v='new' WHERE id<100"
  eq "$(sqlite3 db 'PRAGMA integrity_check')" ok integrity
  sqlite3 db VACUUM
  eq "$(sqlite3 db "PRAGMA integrity_check; SELECT count(*) FROM t; SELECT count(*) FROM t WHERE v='new'" | paste -sd,)" \
    ok,1000,99 'after VACUUM'
}

check sqlite_delete 'sqlite with journal_mode=delete' needs=sqlite3
sqlite_delete() {
  sqlite_life delete
  eq "$(ls -A)" db files
}

check sqlite_truncate 'sqlite with journal_mode=truncate' needs=sqlite3
sqlite_truncate() { sqlite_life truncate; }

check sqlite_wal 'sqlite with journal_mode=wal: shared memory by mmap' needs=sqlite3
sqlite_wal() { sqlite_life wal; }

check sqlite_two_writers 'two processes write to one database' needs=sqlite3
sqlite_two_writers() { two_writers delete; }

check sqlite_wal_two_writers 'two processes write to one database with a WAL' needs=sqlite3
sqlite_wal_two_writers() { two_writers wal; }

two_writers() {
  local w i pids=()
  sqlite3 db "PRAGMA journal_mode=$1; CREATE TABLE t(v)" >"$S/mode"
  for w in 1 2; do
    (for i in $(seq 25); do sqlite3 -cmd '.timeout 20000' db "INSERT INTO t VALUES($w)"; done) &
    pids+=($!)
  done
  for i in "${pids[@]}"; do wait "$i"; done
  eq "$(sqlite3 db 'SELECT count(*) FROM t; PRAGMA integrity_check' | paste -sd,)" 50,ok rows
}

check sqlite_hot_journal 'a writer is killed in a transaction; the next one rolls it back' needs=python3,sqlite3
sqlite_hot_journal() {
  sqlite3 db "CREATE TABLE t(v); WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<5000)
    INSERT INTO t SELECT i FROM c"
  py <<'P'
import os, signal, sqlite3
if os.fork() == 0:
    db = sqlite3.connect("db", isolation_level=None)
    db.execute("PRAGMA cache_size=5")  # so that pages are spilled before the commit
    db.execute("BEGIN")
    db.execute("UPDATE t SET v = v + 1000000")
    os.kill(os.getpid(), signal.SIGKILL)
os.wait()
P
  [ -s db-journal ] || fail "no journal was left to be rolled back"
  eq "$(sqlite3 db 'SELECT sum(v) FROM t; PRAGMA integrity_check' | paste -sd,)" 12502500,ok
  [ ! -e db-journal ] || fail "the journal stays"
}

check sqlite_python 'python sqlite3: many small transactions, backup, attach' needs=python3
sqlite_python() {
  py <<'P'
import sqlite3
db = sqlite3.connect("a.db")
db.execute("CREATE TABLE t(k PRIMARY KEY, v)")
for i in range(30):
    with db:
        db.execute("INSERT INTO t VALUES(?, ?)", (i, b"v" * i * 100))
with sqlite3.connect("b.db") as copy:
    db.backup(copy)
db.execute("ATTACH 'b.db' AS b")
same = db.execute("SELECT count(*) FROM t JOIN b.t USING (k, v)").fetchone()
assert same == (30,), same
P
}

check dbm_and_shelve 'python dbm.dumb and shelve' needs=python3
dbm_and_shelve() {
  py <<'P'
import dbm.dumb, shelve
with dbm.dumb.open("d", "c") as d:
    for i in range(40):
        d[str(i)] = b"v" * i
with dbm.dumb.open("d", "r") as d:
    assert d["39"] == b"v" * 39
with shelve.Shelf(dbm.dumb.open("s", "c")) as s:
    s["list"] = list(range(1000))
    s["again"] = s["list"][::-1]
with shelve.Shelf(dbm.dumb.open("s", "w")) as s:
    assert s["again"][0] == 999
    del s["list"]
    assert list(s) == ["again"]
P
}
