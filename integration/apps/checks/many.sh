# Many files, many processes, pipelines.
# shellcheck shell=bash

check parallel_writers 'eight processes write eight files'
parallel_writers() {
  local i pids=()
  for i in $(seq 8); do
    (bytes 1500000 | tee "$S/$i" >"w$i") &
    pids+=($!)
  done
  for i in "${pids[@]}"; do wait "$i"; done
  for i in $(seq 8); do cmp "$S/$i" "w$i"; done
}

check parallel_creates '16 threads create and rename in one directory' needs=python3
parallel_creates() {
  py <<'P'
import concurrent.futures, os
def work(i):
    name = f"f{i}"
    with open(name, "w") as f:
        f.write(str(i))
    os.rename(name, name + "x")
    return open(name + "x").read() == str(i)
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    assert all(pool.map(work, range(200)))
assert len(os.listdir(".")) == 200, len(os.listdir("."))
P
}

check same_name 'four processes make, read and remove one name' needs=python3 \
  todo='sometimes: SEMANTICS 11.2, an open that loses the race with a removal twice gives ESTALE' like='Stale file handle'
same_name() {
  py <<'P'
import os, traceback
def work(n):
    for i in range(60):
        with open("foo", "w") as f:  # never ENOENT, with O_CREAT
            f.write(f"{n}.{i}")
        try:
            reader = open("foo")
        except FileNotFoundError:
            continue
        reader.read()  # what was opened can be read
        try:
            os.unlink("foo")
        except FileNotFoundError:
            pass
for n in range(4):
    if os.fork() == 0:
        try:
            work(n)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
codes = [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(4)]
assert codes == [0] * 4, codes
P
}

check shared_directory 'one process lists while others create and remove' needs=python3
shared_directory() {
  py <<'P'
import os
stay = {f"stay{i}" for i in range(100)}
for name in stay:
    open(name, "w").close()
pids = []
for n in range(2):
    pid = os.fork()
    if pid == 0:
        for i in range(60):
            open(f"go{n}.{i}", "w").close()
            os.unlink(f"go{n}.{i}")
        os._exit(0)
    pids.append(pid)
for _ in range(30):
    names = os.listdir(".")
    assert len(names) == len(set(names)), "a name twice"
    assert stay <= set(names), "a name is missing"
for pid in pids:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert set(os.listdir(".")) == stay
P
}

check delete_while_reading 'find -delete of 200 files'
delete_while_reading() {
  mkdir d
  (cd d && seq -f 'f%g' 200 | xargs touch)
  find d -type f -delete
  eq "$(ls -A d)" "" left
  rmdir d
}

check rm_tree 'rm -rf of a tree'
rm_tree() {
  make_tree "$S/t"
  cp -r "$S/t" t
  rm -rf t
  eq "$(ls -A)" "" left
}

check large_directory 'a directory of 1,200 files, each listed once' heavy
large_directory() {
  mkdir d
  (cd d && seq 1200 | xargs touch)
  eq "$(ls d | wc -l)" 1200 entries
  eq "$(ls -f d | sort | uniq -d)" "" 'listed twice'
  eq "$(find d -name '*7' | wc -l)" 120 found
}

check pipelines 'sort, split, cat, comm, join, tee, uniq'
pipelines() { as_local pipelines_script; }
pipelines_script() {
  mkdir tmp
  seq 20000 | shuf --random-source=<(yes) >a
  sort -n a -o b
  split -l 3000 b part.
  cat part.* | cmp - b
  sort -n -T tmp -S 100k a | cmp - b
  sort -n b -o b
  comm -12 <(sort a) <(sort b) | wc -l | tee c
  join <(sort a) <(sort b) | tail -1
  cut -c1 b | sort | uniq -c >counts
  tail -n 3 b | tee t
  rev b | tac >r
  wc part.* | tail -1
}

check xargs_parallel 'xargs -P8 copies and hashes'
xargs_parallel() {
  make_tree "$S/t"
  cp -r "$S/t" t
  (cd t && find . -type f -print0 | xargs -0 -P8 -n4 sha256sum | sort -k2) >"$S/here"
  (cd "$S/t" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sort -k2) >"$S/there"
  cmp "$S/here" "$S/there"
}

check tail_f 'tail -f shows what another process appends'
tail_f() {
  local i
  echo 1 >l
  timeout 20 tail -f -s 0.2 -n +1 l >"$S/seen" &
  for i in 2 3 4; do
    sleep 0.4
    echo $i >>l
  done
  for i in $(seq 50); do
    if [ "$(wc -l <"$S/seen")" = 4 ]; then break; fi
    sleep 0.1
  done
  kill $!
  eq "$(paste -sd, "$S/seen")" 1,2,3,4 seen
}

check grep_tree 'grep -r, find -exec, wc over a tree'
grep_tree() {
  make_tree "$S/t"
  cp -r "$S/t" t
  eq "$(grep -rl '^text [1-4]' t | wc -l)" 4 'files that match'
  eq "$(find t -name note.txt -exec cat {} + | sort -u | wc -l)" 9 notes
  eq "$(find t -type f -empty)" t/empty 'empty files'
}
