# Programs that copy files and trees.
# shellcheck shell=bash

check cp_a 'cp -a keeps contents, modes, times and links'
cp_a() {
  make_tree "$S/t"
  cp -a "$S/t" .
  same_tree "$S/t" t
  same_times "$S/t" t
}

check cp_r 'cp -r there and back'
cp_r() {
  make_tree "$S/t"
  cp -r "$S/t" .
  cp -r t "$S/back"
  diff -r --no-dereference "$S/t" "$S/back"
}

check cp_within 'cp from the mount to the mount, sparse and as a clone'
cp_within() {
  bytes 5000000 >"$S/a"
  cp "$S/a" a
  cp a b
  cp --reflink=auto --sparse=always b c
  cmp "$S/a" c
}

check cp_update 'cp -u copies only what is newer'
cp_update() {
  make_tree "$S/t"
  cp -a "$S/t" .
  eq "$(cp -auv "$S/t/." t | wc -l)" 0 "files copied again"
  echo new >"$S/t/dir7/f1"
  cp -au "$S/t/." t
  same_tree "$S/t" t
}

check mv_in_and_out 'mv from another file system and back'
mv_in_and_out() {
  make_tree "$S/t"
  cp -a "$S/t" "$S/want"
  mv "$S/t" in
  same_tree "$S/want" in
  mv in "$S/out"
  same_tree "$S/want" "$S/out"
  same_times "$S/want" "$S/out"
  [ -z "$(ls -A)" ] || fail "left behind: $(ls -A)"
}

check install_program 'install -m makes a program that runs'
install_program() {
  printf '#!/bin/sh\necho "ran $1"\n' >"$S/tool"
  install -D -m 755 "$S/tool" usr/local/bin/tool
  install -D -m 640 "$S/tool" etc/tool.conf
  eq "$(usr/local/bin/tool now)" "ran now"
  eq "$(stat -c %a usr/local/bin/tool etc/tool.conf | paste -sd,)" 755,640 modes
}

check download 'a browser: final name empty, data under another one, rename over it'
download() {
  bytes 20000000 >"$S/a"
  : >a.pdf
  cp "$S/a" a.pdf.part
  mv a.pdf.part a.pdf
  cmp "$S/a" a.pdf
  eq "$(ls -A)" a.pdf entries
}

check rsync_a_twice 'a second rsync -a sends nothing' needs=rsync
rsync_a_twice() {
  make_tree "$S/t"
  rsync -a "$S/t/" t/
  same_tree "$S/t" t
  rsync -ai "$S/t/" t/ >"$S/again"
  [ ! -s "$S/again" ] || fail "sent again: $(head -3 "$S/again")"
}

check rsync_checksums 'rsync -c finds and sends the one file that changed' needs=rsync
rsync_checksums() {
  make_tree "$S/t"
  rsync -a "$S/t/" t/
  printf x | dd of="$S/t/dir9/f2" bs=1 seek=777 conv=notrunc status=none
  touch -r t/dir9/f2 "$S/t/dir9/f2"
  eq "$(rsync -aci "$S/t/" t/ | grep -c '^>f')" 1 "files sent"
  same_tree "$S/t" t
}

check rsync_inplace 'rsync --inplace with deltas' needs=rsync
rsync_inplace() {
  bytes 2000000 >"$S/a"
  rsync --inplace "$S/a" a
  printf XYZ | dd of="$S/a" bs=1 seek=1000000 conv=notrunc status=none
  rsync --inplace --no-whole-file -I "$S/a" a
  cmp "$S/a" a
}

check rsync_append 'rsync --append-verify goes on with a part of a file' needs=rsync
rsync_append() {
  bytes 3000000 >"$S/a"
  head -c 1234567 "$S/a" >a
  rsync --append-verify "$S/a" a
  cmp "$S/a" a
}

check rsync_delete 'rsync --delete removes what is gone' needs=rsync
rsync_delete() {
  make_tree "$S/t"
  rsync -a "$S/t/" t/
  rm -r "$S/t/dir5" "$S/t/big.bin" "$S/t/link"
  rsync -a --delete "$S/t/" t/
  same_tree "$S/t" t
}

check rsync_temp_dir 'rsync with a temporary directory in the mount' needs=rsync
rsync_temp_dir() {
  make_tree "$S/t"
  mkdir tmp
  rsync -a --temp-dir="$PWD/tmp" "$S/t/" t/
  same_tree "$S/t" t
  [ -z "$(ls -A tmp)" ] || fail "left in the temporary directory: $(ls -A tmp)"
}

check rsync_link_dest 'rsync --link-dest, which copies where it cannot link' needs=rsync
rsync_link_dest() {
  make_tree "$S/t"
  rsync -a "$S/t/" monday/
  rsync -a --link-dest="$PWD/monday" "$S/t/" tuesday/
  same_tree monday tuesday
}

check tar_there_and_back 'tar x, tar d and tar c' needs=tar
tar_there_and_back() {
  make_tree "$S/t"
  tar -C "$S" -cf "$S/t.tar" t
  tar xf "$S/t.tar"
  tar df "$S/t.tar"
  tar cf "$S/back.tar" t
  mkdir "$S/b"
  tar -C "$S/b" -xf "$S/back.tar"
  same_tree "$S/t" "$S/b/t"
}

check tar_no_warning 'reading changes no times: tar and ls agree afterwards' needs=tar
tar_no_warning() {
  make_tree "$S/t"
  cp -r "$S/t" t
  find t -printf '%p %T@ %C@ %s\n' | sort >"$S/before"
  tar cf "$S/a.tar" t 2>"$S/warnings"
  [ ! -s "$S/warnings" ] || fail "tar warns: $(head -1 "$S/warnings")"
  find t -printf '%p %T@ %C@ %s\n' | sort >"$S/after"
  diff "$S/before" "$S/after"
}

check tar_compressed 'archives with gzip, xz and zstd, made and unpacked in the mount' needs=tar,gzip,xz,zstd
tar_compressed() {
  local kind
  make_tree "$S/t"
  cp -a "$S/t" .
  for kind in gz xz zst; do
    tar -caf "a.tar.$kind" t
    mkdir "$kind"
    tar -C "$kind" -xf "a.tar.$kind"
    same_tree "$S/t" "$kind/t"
  done
  gzip -t a.tar.gz
  xz -t a.tar.xz
  zstd -qt a.tar.zst
}

check tar_append 'tar --append and --delete change an archive in place' needs=tar
tar_append() {
  as_local tar_append_script
}
tar_append_script() {
  seq 3000 >a
  seq 9 >b
  touch -d 2020-02-02 a b
  tar --owner=o --group=g -cf x.tar a
  tar --owner=o --group=g -rf x.tar b
  tar --delete -f x.tar a
  tar tvf x.tar
}

check cpio_copy 'cpio -p and cpio -o' needs=cpio
cpio_copy() {
  make_tree "$S/t"
  (cd "$S/t" && find . -mindepth 1 | cpio --quiet -pdm "$OLDPWD/t")
  same_tree "$S/t" t
  (cd t && find . -mindepth 1 | cpio --quiet -o -H newc >../a.cpio)
  mkdir "$S/back"
  (cd "$S/back" && cpio --quiet -id <"$OLDPWD/a.cpio")
  same_tree "$S/t" "$S/back"
}

check zip_unzip 'zip, zip -u and unzip' needs=zip,unzip
zip_unzip() {
  make_tree "$S/t"
  cp -r "$S/t" t
  zip -qry a.zip t
  echo changed >t/dir1/sub/note.txt
  touch -d '+1 minute' t/dir1/sub/note.txt
  zip -qryu a.zip t
  unzip -tq a.zip
  unzip -q a.zip -d out
  diff -r --no-dereference t out/t
}

check compress_in_place 'gzip, bzip2 and xz replace a file and keep its mode and time' needs=gzip,bzip2,xz
compress_in_place() {
  local tool
  seq 50000 >"$S/a"
  touch -d '2015-05-05 05:05:05' "$S/a"
  chmod 640 "$S/a"
  for tool in gzip bzip2 xz; do
    cp -p "$S/a" a
    "$tool" a
    [ ! -e a ] || fail "$tool left the original"
    "$tool" -d a.*
    cmp "$S/a" a
    eq "$(stat -c '%a %Y' a)" "$(stat -c '%a %Y' "$S/a")" "mode and mtime after $tool"
  done
}
