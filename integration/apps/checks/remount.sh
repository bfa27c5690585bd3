# Each check has two halves: before_NAME runs before the mount is unmounted and
# mounted again, NAME after it, in the same directory and with the same $S.
# shellcheck shell=bash

check contents_stay 'a tree, an edit, an append, a sparse file' remount
before_contents_stay() {
  make_tree "$S/t"
  cp -a "$S/t" t
  printf 'old old old' >over
  printf new | dd of=over conv=notrunc status=none
  bytes 12000000 >"$S/app"
  head -c 7000000 "$S/app" >app
  tail -c +7000001 "$S/app" >>app
  truncate -s 3000000 sparse
}
contents_stay() {
  same_tree "$S/t" t
  same_times "$S/t" t
  cmp "$S/app" app
  eq "$(cat over)" 'new old old'
  eq "$(stat -c %s sparse) $(tr -d '\0' <sparse)" '3000000 '
}

check names_stay 'empty ones, odd ones, moved ones; none comes back' remount
before_names_stay() {
  mkdir -p empty/in mvd
  : >zero
  printf a >'sp ü 日'
  echo in >mvd/f
  mv mvd moved
  echo x >gone
  rm gone
  echo y >a.part
  mv a.part a
}
names_stay() {
  eq "$(find . -mindepth 1 | sort | paste -sd,)" './a,./empty,./empty/in,./moved,./moved/f,./sp ü 日,./zero'
  eq "$(cat moved/f a 'sp ü 日' zero | paste -sd,)" in,y,a
}

check modes_stay 'modes and times, by stat, in a listing, and to run a program' remount
before_modes_stay() {
  printf '#!/bin/sh\necho ran\n' >exe
  chmod 755 exe
  : >zero
  chmod 640 zero
  echo m >mt
  touch -d '2005-06-07 08:09:10.111222333' mt
  chmod 4711 mt
  mkdir dm
  chmod 710 dm
}
modes_stay() {
  eq "$(ls -l | awk 'NR > 1 { print substr($1, 1, 10) }' | paste -sd,)" drwx--x---,-rwxr-xr-x,-rws--x--x,-rw-r----- listing
  eq "$(./exe)" ran
  eq "$(stat -c '%a %.9Y' mt)" "4711 $(date -d '2005-06-07 08:09:10' +%s).111222333"
  eq "$(stat -c %a zero dm | paste -sd,)" 640,710
}

check owners_stay 'owners of files and directories' remount root
before_owners_stay() {
  : >f
  mkdir d
  chown 1234:5678 f
  chown 11:12 d
}
owners_stay() {
  eq "$(stat -c %u:%g f d | paste -sd,)" 1234:5678,11:12
}

check links_stay 'symlinks and pipes' remount
before_links_stay() {
  mkdir d
  echo t >d/f
  ln -s d/f l
  ln -s d dl
  ln -s 'no where' dangling
  mkfifo p
}
links_stay() {
  eq "$(readlink l dl dangling | paste -sd,)" 'd/f,d,no where'
  eq "$(cat l dl/f | paste -sd,)" t,t
  eq "$(stat -c %F p)" fifo
  eq "$(find . -type l | wc -l)" 3 'links in a listing'
}

check xattrs_stay 'your own extended attributes' remount needs=setfattr,getfattr \
  todo='SEMANTICS 12.8: other attributes are EOPNOTSUPP when set' like='Operation not supported'
before_xattrs_stay() {
  echo x >a
  setfattr -n user.keep -v yes a
}
xattrs_stay() {
  eq "$(getfattr --only-values -n user.keep a)" yes
}

check many_stay 'fifty files, closed just before the unmount' remount
before_many_stay() {
  local i
  for i in $(seq 50); do bytes $((i * 3000)) >"$S/u$i"; done
  cp "$S"/u* .
}
many_stay() {
  local i
  for i in $(seq 50); do cmp "$S/u$i" "u$i"; done
}

check git_stays 'git finds no change and no fault' remount needs=git
before_git_stays() {
  configure_git
  make_tree r
  cd r
  git init -q
  git add -A
  git commit -qm one
  echo two >>dir1/sub/note.txt
  git commit -qam two
}
git_stays() {
  cd r
  eq "$(git status --porcelain)" '' 'changed files'
  git fsck --strict --no-progress
  git checkout -q HEAD~
  eq "$(cat dir1/sub/note.txt)" 'text 1'
}
configure_git() {
  git config --global user.email test@example.org
  git config --global user.name test
  git config --global safe.directory '*'
  git config --global advice.detachedHead false
}

check rsync_stays 'rsync -a has nothing to send' remount needs=rsync
before_rsync_stays() {
  make_tree "$S/t"
  rsync -a "$S/t/" t/
}
rsync_stays() {
  rsync -ai "$S/t/" t/ >"$S/again"
  [ ! -s "$S/again" ] || fail "sent again: $(head -3 "$S/again")"
}

check sqlite_stays 'a database and its WAL' remount needs=sqlite3
before_sqlite_stays() {
  sqlite3 a.db 'CREATE TABLE t(x); WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<5000)
    INSERT INTO t SELECT i FROM c; UPDATE t SET x = x + 1'
  sqlite3 w.db 'PRAGMA journal_mode=wal; CREATE TABLE t(x); INSERT INTO t VALUES(7)' >/dev/null
}
sqlite_stays() {
  eq "$(sqlite3 a.db 'PRAGMA integrity_check; SELECT sum(x) FROM t' | paste -sd,)" ok,12507500
  eq "$(sqlite3 w.db 'PRAGMA integrity_check; SELECT x FROM t; PRAGMA journal_mode' | paste -sd,)" ok,7,wal
}

check make_stays 'make has nothing to build' remount needs=make
before_make_stays() {
  printf 'out: in\n\tcp in out\n' >Makefile
  echo x >in
  make -s
}
make_stays() {
  make -q || fail "make builds again"
}
