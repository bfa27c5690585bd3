# Editors and filters that change a file: swap files, backups, rename over.
# shellcheck shell=bash

check editor_steps 'an editor step by step: swap file, backup, O_EXCL, fsync' needs=python3
editor_steps() {
  py <<'P'
import os
with open("doc", "w") as f:
    f.write("old\n")
os.chmod("doc", 0o644)
swap = os.open(".doc.swp", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
os.write(swap, b"b0VIM" * 800)
os.fsync(swap)
os.rename("doc", "doc~")
new = os.open("doc", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
os.write(new, b"new text\n")
os.fsync(new)
os.close(new)
assert open("doc~").read() == "old\n", "the backup is lost"
os.unlink("doc~")
os.close(swap)
os.unlink(".doc.swp")
assert open("doc").read() == "new text\n", "the new text is lost"
assert os.listdir(".") == ["doc"], os.listdir(".")
P
}

# vim_edit FILE COMMANDS OPTIONS: vim without a terminal. It waits for one
# where it has a question, so a question ends in the time limit.
vim_edit() {
  vim -u NONE -N -es -c "set backupskip= directory=. backupdir=. $3" "$1" <<<"$2"
}

check vim_rename 'vim saves by rename, with backup, swap file and fsync' needs=vim
vim_rename() {
  printf 'one\ntwo\n' >v.txt
  vim_edit v.txt $'%s/two/three/\nwq' 'backup writebackup backupcopy=no swapfile fsync'
  eq "$(paste -sd, v.txt)" one,three contents
  eq "$(paste -sd, v.txt~)" one,two backup
  eq "$(ls -A | paste -sd,)" v.txt,v.txt~ files
}

check vim_in_place 'vim saves in place, keeping the inode' needs=vim
vim_in_place() {
  local inode
  printf 'one\ntwo\n' >v.txt
  chmod 640 v.txt
  inode=$(stat -c %i v.txt)
  vim_edit v.txt $'%s/two/three/\nwq' 'backup writebackup backupcopy=yes swapfile fsync'
  eq "$(paste -sd, v.txt)" one,three contents
  eq "$(stat -c '%i %a' v.txt)" "$inode 640" "inode and mode"
}

check vim_many_saves 'vim saves one file ten times in each way' needs=vim
vim_many_saves() {
  local i
  echo end >n.txt
  for i in $(seq 10); do
    vim_edit n.txt "call append(0, 'a$i')"$'\nwq' 'nobackup writebackup backupcopy=auto swapfile'
    vim_edit n.txt "call append(0, 'b$i')"$'\nwq' 'nobackup writebackup backupcopy=no swapfile'
  done
  eq "$(wc -l <n.txt) $(head -1 n.txt) $(tail -1 n.txt)" "21 b10 end"
  eq "$(ls -A)" n.txt files
}

check ed_script 'ed' needs=ed
ed_script() {
  seq 20 >a
  printf '%s\n' '/7/s/7/seven/' '1,3d' '$a' 'end' . w q | ed -s a
  eq "$(paste -sd, a)" 4,5,6,seven,8,9,10,11,12,13,14,15,16,17,18,19,20,end
}

check sed_in_place 'sed -i, with and without a backup'
sed_in_place() { as_local sed_in_place_script; }
sed_in_place_script() {
  seq 1000 >n
  sed -i 's/^5/five/' n
  sed -i.bak 1d n
  chmod 600 n
  sed -i '$d' n
}

check perl_in_place 'perl -pi over several files' needs=perl
perl_in_place() { as_local perl_in_place_script; }
perl_in_place_script() {
  local i
  for i in 1 2 3; do seq "$((i * 100))" >"f$i"; done
  perl -pi.orig -e 's/(\d+)/<$1>/' f1 f2 f3
  perl -ni -e 'print if $. % 2' f1
}

check patch_and_diff 'diff and patch, with backup and reject' needs=patch
patch_and_diff() {
  seq 100 >a
  cp a b
  sed -i 's/^50$/fifty/' b
  diff -u a b >p && fail "no difference"
  patch -s a p
  cmp a b
  patch -sb a p -R
  eq "$(sed -n 50p a) $(sed -n 50p a.orig)" "50 fifty"
  echo other >c
  refuses 'FAILED' patch -f c p
  [ -s c.rej ] || fail "no reject file"
}

check atomic_save 'temporary file, fsync, rename over, twenty times' needs=python3
atomic_save() {
  py <<'P'
import os, tempfile
for i in range(20):
    fd, name = tempfile.mkstemp(dir=".")
    os.write(fd, b"v%d" % i)
    os.fsync(fd)
    os.close(fd)
    os.replace(name, "e.txt")
    d = os.open(".", os.O_RDONLY)
    os.fsync(d)
    os.close(d)
    assert open("e.txt").read() == f"v{i}"
assert os.listdir(".") == ["e.txt"], os.listdir(".")
P
}

check mtime_stays 'the time of a saved file stays: no "changed on disk"'
mtime_stays() {
  local first
  echo a >t
  first=$(stat -c %y t)
  for _ in 1 2 3 4; do
    sleep 0.5
    eq "$(stat -c %y t)" "$first" "mtime later"
  done
  cat t >/dev/null
  eq "$(stat -c %y t)" "$first" "mtime after reading"
  echo b >t
  [ "$(stat -c %y t)" != "$first" ] || fail "a save did not change it"
}
