# Ways of writing one file, and what open handles see.
# shellcheck shell=bash

check dd_in_place 'dd conv=notrunc in the middle, small and large'
dd_in_place() {
  local f
  bytes 20000000 >"$S/a"
  bytes 70000 >"$S/p"
  cp "$S/a" a
  for f in "$S/a" a; do
    printf MIDDLE | dd of="$f" bs=1 seek=500000 conv=notrunc status=none
    dd if="$S/p" of="$f" bs=70000 seek=100 conv=notrunc,fsync status=none
  done
  cmp "$S/a" a
}

check dd_direct 'dd with O_DIRECT, both ways'
dd_direct() {
  bytes 1048576 >"$S/a"
  dd if="$S/a" of=a bs=65536 oflag=direct status=none
  dd if=a of="$S/b" bs=65536 iflag=direct status=none
  cmp "$S/a" a
  cmp "$S/a" "$S/b"
}

check append_lines '>> line by line, through one handle and many'
append_lines() { as_local append_lines_script; }
append_lines_script() {
  local i
  for i in $(seq 20); do echo "line $i" >>many; done
  for i in $(seq 500); do echo "line $i"; done >>one
  echo more | tee -a one many >/dev/null
}

check append_large 'a line appended to 12 MB'
append_large() {
  bytes 12000000 >"$S/a"
  cp "$S/a" a
  echo tail >>a
  echo tail >>"$S/a"
  cmp "$S/a" a
}

check overwrite 'a shorter and a longer content over an old one'
overwrite() { as_local overwrite_script; }
overwrite_script() {
  seq 10000 >a
  seq 10 >a
  cat a
  seq 20000 >a
  cp a b
  : >b
  cat a >b
}

check truncate_sizes 'truncate up and down; what is new reads as zeros'
truncate_sizes() { as_local truncate_sizes_script; }
truncate_sizes_script() {
  echo hello >a
  truncate -s 100000 a
  truncate -s 3 a
  truncate -s 10 a
  od -c a
  truncate -s 5M b
  echo x >>b
  seq 100 >c
  truncate -s 0 c
  truncate -s +7 c
}

check truncate_open 'ftruncate, pwrite beyond the end, read back' needs=python3
truncate_open() {
  py <<'P'
import os
f = os.open("a", os.O_RDWR | os.O_CREAT)
os.write(f, b"x" * 200000)
os.ftruncate(f, 100)
assert os.fstat(f).st_size == 100
os.pwrite(f, b"END", 5000)
os.fsync(f)
want = b"x" * 100 + b"\0" * 4900 + b"END"
assert os.pread(f, 6000, 0) == want
os.close(f)
assert open("a", "rb").read() == want
P
}

check random_in_place '200 writes at random places of 9 MB' needs=python3
random_in_place() {
  py <<'P'
import os, random
r, n = random.Random(7), 9000000
want = bytearray(os.urandom(n))
with open("a", "wb") as f:
    f.write(want)
f = os.open("a", os.O_RDWR)
for i in range(200):
    at, new = r.randrange(n - 5000), os.urandom(r.randrange(1, 5000))
    want[at:at + len(new)] = new
    assert os.pwrite(f, new, at) == len(new)
    if i % 50 == 0:
        low = max(0, at - 2000)
        assert os.pread(f, 9000, low) == want[low:low + 9000], "reads back something else"
os.close(f)
assert open("a", "rb").read() == want
P
}

check empty_files 'empty files are files'
empty_files() { as_local empty_files_script; }
empty_files_script() {
  : >a
  touch b
  cat a b >c
  cmp a b
  stat -c '%n %s %F' a b c
}

check sparse '50 MB of zeros around one byte'
sparse() {
  truncate -s 50M a
  printf X | dd of=a bs=1 seek=30000000 conv=notrunc status=none
  eq "$(stat -c %s a)" 52428800 size
  eq "$(tr -d '\0' <a)" X contents
}

check large '50 MB through a pipe, with the same hash'
large() {
  bytes 50000000 | tee "$S/a" | cat >a
  eq "$(sha256sum <a)" "$(sha256sum <"$S/a")" hash
}

check two_handles 'two handles of one file see each other' needs=python3
two_handles() {
  py <<'P'
import os
a = os.open("f", os.O_RDWR | os.O_CREAT)
b = os.open("f", os.O_RDWR)
os.write(a, b"hello")
assert os.read(b, 10) == b"hello", "the second handle does not see the write"
os.pwrite(b, b"J", 0)
assert os.pread(a, 10, 0) == b"Jello"
assert os.stat("f").st_size == 5
c = os.open("f", os.O_RDONLY)
assert os.read(c, 9) == b"Jello"
os.ftruncate(b, 2)
assert os.pread(c, 9, 0) == b"Je"
for x in (a, b, c):
    os.close(x)
assert open("f").read() == "Je"
P
}

check forked_writer 'a child that ends flushes nothing away from its parent' needs=python3
forked_writer() {
  py <<'P'
import os, subprocess
f = open("a", "wb", buffering=0)
for i in range(5):
    f.write(b"p%d\n" % i)
    subprocess.run(["sh", "-c", f"echo c{i} >&{f.fileno()}"], pass_fds=[f.fileno()], check=True)
f.close()
want = "".join(f"p{i}\nc{i}\n" for i in range(5))
assert open("a").read() == want, open("a").read()
P
}

check unlink_open 'an unlinked file lives on in its handle' needs=python3
unlink_open() {
  py <<'P'
import os
f = os.open("f", os.O_RDWR | os.O_CREAT)
os.write(f, b"data" * 1000)
os.unlink("f")
assert not os.path.exists("f"), "it is still there"
assert os.pread(f, 4000, 0) == b"data" * 1000
os.pwrite(f, b"more", 4000)
os.fsync(f)
assert os.fstat(f).st_size == 4004 and os.pread(f, 9, 4000) == b"more"
os.close(f)
assert os.listdir(".") == [], os.listdir(".")
P
}

check unlink_while_reading 'a reader gets all of a file that is removed meanwhile'
unlink_while_reading() {
  bytes 3000000 >"$S/a"
  cp "$S/a" a
  exec 3<a
  rm a
  cmp - "$S/a" <&3
  exec 3<&-
  eq "$(ls -A)" "" "left over"
}

check rename_while_writing 'a writer goes on under the new name'
rename_while_writing() {
  exec 3>a
  echo one >&3
  mv a b
  echo two >&3
  exec 3>&-
  eq "$(paste -sd, b)" one,two contents
  eq "$(ls -A)" b entries
}

check log_rotation 'rotation of a log by rename and by copy and truncate'
log_rotation() {
  exec 3>>log
  echo 1 >&3
  mv log log.1
  echo 2 >&3
  exec 3>>log
  echo 3 >&3
  cp log log.2
  : >log
  echo 4 >&3
  exec 3>&-
  eq "$(paste -sd, log.1) $(cat log.2) $(cat log)" "1,2 3 4"
}

check replace_while_reading 'a reader keeps the old version, the next one has the new' needs=python3
replace_while_reading() {
  py <<'P'
import os
with open("a", "wb") as f:
    f.write(b"old" * 100000)
reader = open("a", "rb")
head = reader.read(3000)
with open("b", "wb") as f:
    f.write(b"new" * 100000)
os.replace("b", "a")
assert head + reader.read() == b"old" * 100000, "the reader saw a mix"
assert open("a", "rb").read() == b"new" * 100000
P
}

check exclusive_create 'O_EXCL is given once' needs=python3
exclusive_create() {
  py <<'P'
import os
flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
won = 0
for i in range(8):
    if os.fork() == 0:
        try:
            os.open("lock", flags)
        except FileExistsError:
            os._exit(1)
        os._exit(0)
for i in range(8):
    won += os.waitstatus_to_exitcode(os.wait()[1]) == 0
assert won == 1, f"{won} processes made it"
P
}

check append_two_handles 'two O_APPEND handles take turns' needs=python3
append_two_handles() {
  py <<'P'
import os
a = os.open("p", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
b = os.open("p", os.O_WRONLY | os.O_APPEND)
for i in range(10):
    os.write(a, b"a")
    os.write(b, b"b")
os.close(a)
os.close(b)
assert open("p").read() == "ab" * 10, open("p").read()
P
}

check mmap_write 'a shared mapping, seen by pread and by the next open' needs=python3
mmap_write() {
  py <<'P'
import mmap, os
with open("m", "wb") as f:
    f.write(b"\0" * 20000)
with open("m", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
    m[5000:5005] = b"HELLO"
    m.flush()
    assert os.pread(f.fileno(), 5, 5000) == b"HELLO"
    m.close()
assert open("m", "rb").read()[5000:5005] == b"HELLO"
with open("m", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
m[0:5] = b"after"  # the last handle is closed
m.close()
assert open("m", "rb").read(5) == b"after"
P
}

check mmap_read 'a mapping for reading, front to back and at random' needs=python3
mmap_read() {
  bytes 6000000 >a
  py <<'P'
import mmap, random
want = open("a", "rb").read()
f = open("a", "rb")
m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
r = random.Random(3)
for _ in range(100):
    at = r.randrange(len(want))
    assert m[at:at + 3000] == want[at:at + 3000]
assert m[:] == want
P
}

check flock_lock 'flock(1) keeps others out' needs=flock
flock_lock() {
  exec 9>k
  flock -n 9
  refuses '' flock -n k true
  refuses '' flock -w 0.2 k true
  flock -u 9
  flock -n k true
}

check flock_counter 'four processes count under one lock' needs=flock
flock_counter() {
  local p i pids=()
  echo 0 >n
  for p in 1 2 3 4; do
    (for i in $(seq 10); do flock k bash -c 'n=$(<n); echo $((n + 1)) >n'; done) &
    pids+=($!)
  done
  for p in "${pids[@]}"; do wait "$p"; done
  eq "$(cat n)" 40 count
}

check fcntl_lock 'fcntl locks of ranges' needs=python3
fcntl_lock() {
  py <<'P'
import fcntl, os
f = open("k", "w+")
fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)
if os.fork() == 0:
    g = open("k", "r+")
    try:
        fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5)
        os._exit(1)
    except OSError:
        pass
    try:
        fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 50)
    except OSError:
        os._exit(2)
    os._exit(0)
code = os.waitstatus_to_exitcode(os.wait()[1])
assert code == 0, ("", "an overlapping lock was given", "another range was refused")[code]
P
}

check copy_calls 'copy_file_range, sendfile, splice and SEEK_DATA' needs=python3
copy_calls() {
  py <<'P'
import os
size = 400000
with open("a", "wb") as f:
    f.write(os.urandom(size))
want = open("a", "rb").read()
src = os.open("a", os.O_RDONLY)
dst = os.open("b", os.O_WRONLY | os.O_CREAT)
done = 0
while done < size:
    done += os.copy_file_range(src, dst, size - done)
os.close(dst)
assert open("b", "rb").read() == want
dst = os.open("c", os.O_WRONLY | os.O_CREAT)
done = 0
while done < size:
    done += os.sendfile(dst, src, done, size - done)
os.close(dst)
assert open("c", "rb").read() == want
r, w = os.pipe()
dst = os.open("d", os.O_WRONLY | os.O_CREAT)
os.lseek(src, 0, os.SEEK_SET)
while n := os.splice(src, w, 50000):
    while n:
        n -= os.splice(r, dst, n)
os.close(dst)
assert open("d", "rb").read() == want
assert os.lseek(src, 0, os.SEEK_END) == size
assert os.lseek(src, 0, os.SEEK_DATA) == 0
P
}

check allocate 'fallocate reserves, and makes the file longer' needs=fallocate
allocate() {
  fallocate -l 100000 a
  eq "$(stat -c %s a)" 100000 size
  echo hi | dd of=a conv=notrunc status=none
  eq "$(tr -d '\0' <a)" hi contents
}

check punch_hole 'fallocate punches a hole' needs=fallocate \
  todo='README, what does not work: hole punching is refused' like='unsupported|not supported'
punch_hole() {
  head -c 100000 /dev/zero | tr '\0' x >a
  fallocate -p -o 4096 -l 8192 a
  eq "$(tr -d '\0' <a | wc -c)" $((100000 - 8192)) 'bytes left'
}

check unnamed_file 'O_TMPFILE, named by link() later' needs=python3 \
  todo='README, what does not work: O_TMPFILE is refused; SEMANTICS 10.1: link() is EPERM' like='Operation not supported'
unnamed_file() {
  py <<'P'
import os
f = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(f, b"text")
os.link(f"/proc/self/fd/{f}", "named", src_dir_fd=f, follow_symlinks=True)
assert open("named").read() == "text"
P
}

check fsync_calls 'fsync and fdatasync of files, fsync of a directory, sync(1)' needs=python3
fsync_calls() {
  py <<'P'
import os
f = os.open("a", os.O_RDWR | os.O_CREAT | os.O_SYNC)
for i in range(10):
    os.write(f, b"x" * 1000)
    (os.fsync, os.fdatasync)[i % 2](f)
d = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
os.fsync(d)
assert os.stat("a").st_size == 10000
P
  sync a .
}

check fio_verify 'fio writes at random and verifies' needs=fio
fio_verify() {
  run_fio --ioengine=psync --rw=randrw --size=8m --fallocate=none
}

check fio_mmap 'fio through a mapping' needs=fio heavy
fio_mmap() {
  run_fio --ioengine=mmap --rw=randwrite --size=8m
}

check fio_jobs 'fio: four jobs, threads, direct' needs=fio heavy
fio_jobs() {
  run_fio --ioengine=psync --rw=randwrite --size=3m --numjobs=4 --thread --direct=1 --fallocate=none
}

run_fio() {
  fio --name=v --directory=. --bs=4k-64k --verify=crc32c --do_verify=1 --verify_fatal=1 --minimal "$@" >"$S/fio" 2>&1 ||
    fail "$(grep -iE 'verify|error|fio:' "$S/fio" | head -3)"
}
