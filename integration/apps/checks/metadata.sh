# Modes, owners, times, links, special files, directories and their renames.
# shellcheck shell=bash

check touch_times 'touch: files, directories, nanoseconds, before 1970'
touch_times() { as_local touch_times_script; }
touch_times_script() {
  : >a
  touch -d '2001-02-03 04:05:06.123456789' a
  stat -c %.9Y a
  touch -m -d '1960-01-01' a
  touch -a -d '2011-11-11' a
  stat -c '%X %Y' a
  mkdir d
  touch -d '2010-01-01' d
  touch -r d b
  stat -c %Y d b
  echo x >>a
  [ "$(stat -c %Y a)" -gt 1500000000 ]
  touch -c nothing
}

check chmod_modes 'chmod: all kinds of bits, recursive, umask'
chmod_modes() { as_local chmod_modes_script; }
chmod_modes_script() {
  local mode
  : >a
  for mode in 600 755 444 4755 1777 000 640; do
    chmod $mode a
    stat -c %a a
  done
  mkdir -p d/e
  : >d/e/f
  chmod -R u+rwX,go-rwx d
  (umask 077 && : >u && mkdir v)
  (umask 022 && : >w)
  chmod +x w
}

check chown_owner 'chown and chgrp, recursive' root
chown_owner() { as_local chown_owner_script; }
chown_owner_script() {
  mkdir -p d/e
  : >d/e/f
  chown -R 1000:1001 d
  chgrp 1002 d/e
  : >d/e/g
  chmod 4755 d/e/f
  chown 1:1 d/e/f
}

check other_user 'another user meets the modes' root needs=setpriv
other_user() {
  local them=(setpriv --reuid 65534 --regid 65534 --clear-groups)
  if ! "${them[@]}" ls . >/dev/null 2>&1; then skip "mounted without --allow-other"; fi
  echo secret >a
  chmod 600 a
  echo public >b
  mkdir o
  chown 65534:65534 o
  eq "$("${them[@]}" cat b)" public
  refuses 'Permission denied' "${them[@]}" cat a
  "${them[@]}" sh -c 'echo mine >o/f'
  eq "$(stat -c '%u:%g' o/f) $(cat o/f)" "65534:65534 mine"
  refuses 'Permission denied|not permitted' "${them[@]}" rm -f b
  refuses 'not permitted' "${them[@]}" chmod 777 b
  refuses 'not permitted' "${them[@]}" chown 65534 b
}

check symlinks 'symlinks: relative, dangling, to directories, replaced, long'
symlinks() { as_local symlinks_script; }
symlinks_script() {
  local long
  long=$(printf 'z%.0s' $(seq 1000))
  echo t >a
  ln -s a l
  cat l
  echo through >l
  ln -s /no/where dangling
  cat dangling 2>&1 || true
  ln -sfn b l
  mkdir x
  ln -s ../a x/l
  ln -s x dir
  cat dir/l
  : >dir/made
  ln -s "$long" long
  ln -s loop loop
  cat loop 2>&1 || true
  mv x/l .
  rm long
}

check hard_link 'ln gives a file a second name' \
  todo='SEMANTICS 10.1: link() is EPERM' like='Operation not permitted'
hard_link() {
  echo x >a
  ln a b
  eq "$(stat -c %h a)" 2 'link count'
  echo y >>b
  eq "$(paste -sd, a)" x,y
}

check hard_link_refused 'cp -l makes nothing where it cannot link'
hard_link_refused() {
  echo x >a
  if cp -l a b 2>/dev/null; then skip "hard links are offered"; fi
  refuses 'Operation not permitted' ln a b
  eq "$(ls -A) $(stat -c %h a)" "a 1"
}

check fifo 'a pipe with a name'
fifo() {
  mkfifo p
  [ -p p ] || fail "no pipe"
  echo via >p &
  eq "$(timeout 10 cat p)" via
  wait $!
}

check unix_socket 'a unix socket' needs=python3
unix_socket() {
  py <<'P'
import os, socket, stat
s = socket.socket(socket.AF_UNIX)
s.bind("s")
s.listen()
assert stat.S_ISSOCK(os.stat("s").st_mode)
c = socket.socket(socket.AF_UNIX)
c.connect("s")
c.send(b"hi")
assert s.accept()[0].recv(9) == b"hi"
os.unlink("s")
P
}

check mkdir_deep 'sixty directories deep'
mkdir_deep() {
  local deep
  deep=$(printf 'd%.0s/' $(seq 60))
  mkdir -p "$deep"
  echo deep >"$deep/f"
  eq "$(cat "$deep/f")" deep
  eq "$(find . -type d | wc -l)" 61 directories
  rm -r d
  eq "$(ls -A)" ""
}

check rmdir_rules 'rmdir: not empty, not there, not a directory'
rmdir_rules() { as_local rmdir_rules_script; }
rmdir_rules_script() {
  mkdir -p d/e f/g
  : >d/e/x
  rmdir d/e 2>&1 || true
  rmdir nothing 2>&1 || true
  rmdir d/e/x 2>&1 || true
  rm d 2>&1 || true
  rmdir -p f/g
}

check empty_directory_stays 'a directory stays when its last file goes'
empty_directory_stays() { as_local empty_directory_stays_script; }
empty_directory_stays_script() {
  mkdir -p a/b c
  : >a/b/f
  rm a/b/f
  : >c/f
  mv c/f .
}

check working_directory 'a directory that is moved or removed under a process'
working_directory() {
  mkdir -p one/in
  cd one/in
  mv ../../one ../../two
  echo here >f
  [ "$(cat ../../two/in/f)" = here ] || fail "what was written is not in the moved directory"
  rm f
  rmdir "$(realpath .)"
  refuses 'No such file' touch f
}

check mv_directory 'mv of directories: over an empty one, not over a full one, not into itself'
mv_directory() { as_local mv_directory_script; }
mv_directory_script() {
  mkdir -p s/in e n o far/away
  echo 1 >s/in/f
  echo 2 >s/g
  : >n/x
  mv -T s e
  mv -T o n 2>/dev/null || echo not over a full one
  mv e far/away/
  mv far far/away/ 2>/dev/null || echo not into itself
}

check mv_directory_many 'mv of a directory of 150 files'
mv_directory_many() {
  local i
  mkdir d
  for i in $(seq 150); do echo "$i" >"d/f$i"; done
  mv d e
  eq "$(ls e | wc -l) $(cat e/* | sort -n | tail -1)" "150 150"
  [ ! -e d ] || fail "the old name is still there"
}

check mv_many_directories 'mv of 60 directories into another, which is moved then'
mv_many_directories() {
  local i
  mkdir s t
  for i in $(seq 60); do
    mkdir "s/d$i"
    echo x >"s/d$i/p"
  done
  mv s/d* t/
  mv t t9
  eq "$(find t9 -type f | wc -l)" 60 files
  eq "$(ls -A s)" "" "left behind"
}

check mv_new_directory 'a lock by renaming a new directory, twenty times' needs=python3
mv_new_directory() {
  py <<'P'
import os, shutil
for i in range(20):
    os.mkdir(f"host.{i}.tmp")
    open(f"host.{i}.tmp/id", "w").close()
    os.rename(f"host.{i}.tmp", "lock.exclusive")
    os.stat("lock.exclusive/id")
    shutil.rmtree("lock.exclusive")
assert os.listdir(".") == [], os.listdir(".")
P
}

check mv_files 'mv of files: over another, over a directory, back and forth'
mv_files() { as_local mv_files_script; }
mv_files_script() {
  echo a >a
  echo b >b
  mv a b
  mkdir d
  mv b d/
  echo z >z
  mv -T z d 2>/dev/null || echo not over a directory
  mv -T d z 2>/dev/null || echo not over a file
  mv z y
  mv y z
  mv z z 2>/dev/null || echo not over itself
  mv -b z d/b
}

check rename_noreplace 'renameat2 with RENAME_NOREPLACE' needs=python3
rename_noreplace() { rename_flags 1 EEXIST; }

check rename_exchange 'renameat2 with RENAME_EXCHANGE' needs=python3 \
  todo='SEMANTICS 11.6: RENAME_EXCHANGE is EINVAL' like='EINVAL'
rename_exchange() { rename_flags 2 ''; }

# rename_flags FLAG ERROR: a over b, both there. Without error they exchange.
rename_flags() {
  echo a >a
  echo b >b
  python3 -I - "$1" "$2" <<'P'
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
r = libc.renameat2(-100, b"a", -100, b"b", int(sys.argv[1]))
got = errno.errorcode[ctypes.get_errno()] if r else ""
assert got == sys.argv[2], f"got {got or 'success'}"
want = "ba" if r == 0 else "ab"
assert open("a").read()[0] + open("b").read()[0] == want
P
}

check find_and_du 'find by size and time, du, df'
find_and_du() {
  local i
  mkdir t
  for i in 1 2 3; do bytes 10000 >t/f$i; done
  touch -d '2019-01-01' t/f1
  eq "$(find t -type f -size +9k | wc -l)" 3 'found by size'
  eq "$(find t -type f -newermt 2020-01-01 | wc -l)" 2 'found by time'
  [ "$(du -sb t | cut -f1)" -ge 30000 ] || fail "du -b says $(du -sb t)"
  [ "$(du -sk t | cut -f1)" -ge 29 ] || fail "du says $(du -sk t) KiB for 30 kB"
  [ "$(df --output=avail . | tail -1)" -gt 0 ] || fail "df shows no space"
  df -i . >/dev/null
}

check file_kinds 'file(1) tells kinds' needs=file,gzip,python3
file_kinds() { as_local file_kinds_script; }
file_kinds_script() {
  echo text >a.txt
  gzip -nk a.txt
  python3 -I -c 'import sqlite3; c = sqlite3.connect("a.db"); c.execute("create table t(x)"); c.commit()'
  ln -s a.txt l
  mkdir d
  : >e
  file --mime-type a.txt a.txt.gz a.db l d e
}

check xattr_user 'setfattr and getfattr of your own attributes' needs=setfattr,getfattr \
  todo='SEMANTICS 12.8: other attributes are EOPNOTSUPP when set' like='Operation not supported'
xattr_user() {
  : >a
  setfattr -n user.k -v value a
  eq "$(getfattr --only-values -n user.k a)" value
  setfattr -n user.bin -v 0x00ff10 a
  eq "$(getfattr -e hex -n user.bin a | grep bin)" user.bin=0x00ff10
  mv a b
  eq "$(getfattr -d b | grep -cE '^user\.(k|bin)=')" 2 'after mv'
  setfattr -x user.k b
  refuses 'No such attribute' getfattr -n user.k b
  mkdir d
  setfattr -n user.d -v 1 d
  eq "$(getfattr --only-values -n user.d d)" 1 'of a directory'
}

check xattr_programs 'cp -a, mv and tar --xattrs of a file without attributes' needs=getfattr,tar
xattr_programs() {
  echo x >a
  refuses 'No such attribute' getfattr -n user.none a
  cp -a a b
  mv b c
  tar --xattrs -cf a.tar a c
  mkdir d
  tar --xattrs -C d -xf a.tar
  cmp a d/c
}

check acl 'setfacl gives a user rights' root needs=setfacl,getfacl \
  todo='SEMANTICS 12.8: ACLs are not offered' like='Operation not supported'
acl() {
  : >a
  setfacl -m u:65534:rw a
  getfacl -n a | grep -q '^user:65534:rw-'
}
