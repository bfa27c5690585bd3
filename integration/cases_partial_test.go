package integration

import "testing"

// Reported faults of comparable programs with writes to a part of a file. More of
// them, and what traps 15 of close and mmap lay, are in patterns_test.go.

// partial are edits of $D/f, which both $MNT and a local directory have; then
// they, and the object, must be the same.
var partial = []struct{ name, script string }{
	{"B92 cut and read before the flush", `
printf 0123456789 > $D/f
python3 -c "
import sys; f=open(sys.argv[1],'r+b',0); f.truncate(5); assert open(sys.argv[1],'rb').read()==b'01234'" $D/f
truncate -s 2 $D/f; truncate -s 8 $D/f; [ $(stat -c %s $D/f) = 8 ]`},
	{"B93 a byte anywhere", `
cp $W/20m $D/f; for at in 0 50 5242879 5242880 10485760 20971519; do printf X | dd of=$D/f bs=1 seek=$at conv=notrunc status=none; done`},
	{"B94 sparse copy", `
rm -f $W/sp; printf a > $W/sp; printf b | dd of=$W/sp bs=1 seek=61440 conv=notrunc status=none
printf c | dd of=$W/sp bs=1 seek=9000000 conv=notrunc status=none; cp --sparse=always $W/sp $D/f`},
	{"B96 longer by truncate and fallocate", `
: > $D/f; truncate -s 20000001 $D/f; printf E | dd of=$D/f bs=1 seek=20000000 conv=notrunc status=none; fallocate -l 21000000 $D/f`},
	{"B97 many small rewrites", `
cp $W/20m $D/f; python3 -c "
import os,sys,random
fd=os.open(sys.argv[1],os.O_RDWR); r=random.Random(1)
for i in range(300):
    os.pwrite(fd,r.randbytes(r.randrange(1,9000)),r.randrange(20<<20))
    if i%100==0: os.fsync(fd)
os.close(fd)" $D/f`},
	{"B98 save without O_TRUNC", `
head -c 3M $W/20m > $D/f; python3 -c "
import sys
f=open(sys.argv[1],'r+b'); f.seek(1000); f.write(b'A'*5000); f.seek(2<<20); f.write(b'B'*100); f.seek(0); f.read(10); f.seek(0,2); f.write(b'tail'); f.truncate(); f.close()" $D/f`},
	{"B99 log", `
rm -f $D/f; exec 3>>$D/f; for i in 1 2 3; do echo line$i >&3; done; [ $(wc -l < $D/f) = 3 ]
python3 -c 'import os; os.fsync(3)'; if [ $D = $MNT ]; then [ $(s3 get f | wc -l) = 3 ]; fi; echo line4 >&3; exec 3>&-
for i in $(seq 20); do echo p$i >> $D/f; done; [ $(wc -l < $D/f) = 24 ]`},
	{"B100 append", `
echo foo > $D/f; echo bar >> $D/f; printf baz >> $D/f; printf Q | dd of=$D/f bs=1 seek=1 conv=notrunc status=none`},
	{"B102 shared mapping", `
head -c 65536 /dev/zero > $D/f; python3 -c "
import mmap,os,sys
f=open(sys.argv[1],'r+b'); m=mmap.mmap(f.fileno(),0); m[10]=65; m[4096]=66; m[65535]=90; m.flush(); m.close(); os.fsync(f.fileno()); f.close()" $D/f`},
	{"B103 O_DIRECT", `
dd if=$W/20m of=$D/f bs=64K count=100 oflag=direct status=none; dd if=$D/f bs=4K iflag=direct status=none | cmp - <(head -c 6553600 $W/20m)`},
	{"echo into a duplicate that is closed first", `
echo x > $D/f; echo longer > $D/f; ( echo a; echo b | cat; echo c ) > $D/f`},
	{"truncate(2) by path", `
head -c 9M $W/20m > $D/f; python3 -c "import os,sys; os.truncate(sys.argv[1],5000001)" $D/f`},
}

// K10 B92 to B103: after each, the object is what a local file would be.
func TestPartialWrites(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, `head -c 20M /dev/urandom > $W/20m; mkdir $W/local`)
	for _, c := range partial {
		t.Run(c.name, func(t *testing.T) {
			for _, dir := range []string{"$W/local", "$MNT"} {
				m.sh(t, "D="+dir+"\n"+c.script)
			}
			e.s3.wantSame(t, "f", m.work+"/local/f")
			m.sh(t, `cmp $W/local/f $MNT/f`)
		})
	}
	e.wantNoUploads(t)
}

// K10 B101: open's flags arrive as they are: truncation is a change of its own, and
// of many that create one name with O_EXCL one succeeds.
func TestOpenFlags(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	e.s3.put(t, "remote", "r\n")
	got := m.py(t, `
def excl(name):
    try: os.close(os.open(MNT+'/'+name,os.O_CREAT|os.O_EXCL|os.O_WRONLY)); return 'made'
    except FileExistsError: return 'EEXIST'
for name in ('f','g'): open(MNT+'/'+name,'w').write('old\n')
open(MNT+'/f','w').close(); os.close(os.open(MNT+'/g',os.O_WRONLY|os.O_TRUNC))
print(os.stat(MNT+'/f').st_size, os.stat(MNT+'/g').st_size, excl('g'), excl('remote'))
made="import os,sys; os.open(sys.argv[1],os.O_CREAT|os.O_EXCL)"
all=[subprocess.Popen([sys.executable,'-c',made,MNT+'/L'],stderr=subprocess.DEVNULL) for _ in range(8)]
print([p.wait() for p in all].count(0))`)
	if got != "0 0 EEXIST EEXIST\n1" {
		t.Errorf("got %q", got)
	}
	for _, key := range []string{"f", "g", "L"} {
		if got := e.s3.get(t, key); got != "" {
			t.Errorf("%s: %q, want an empty object", key, got)
		}
	}
}

// K13 B122, B96: what no object can hold is EFBIG when it is written, and the object
// is as before. That part sizes grow with the file: bucket TestPartSize.
func TestTooLargeForAnObject(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	e.s3.put(t, "f", "old\n")
	got := m.py(t, `
T5=5<<40
def over(what):
    try: what(); return 'ok'
    except OSError as e: return errno.errorcode[e.errno]
fd=os.open(MNT+'/f',os.O_RDWR)
print(over(lambda: os.pwrite(fd,b'x',T5)), over(lambda: os.ftruncate(fd,T5+1)), over(lambda: os.posix_fallocate(fd,T5,1)))
os.close(fd)
print(over(lambda: os.truncate(MNT+'/f',T5+1)), os.stat(MNT+'/f').st_size)`)
	if got != "EFBIG EFBIG EFBIG\nEFBIG 4" {
		t.Errorf("got %q", got)
	}
	m.wantFile(t, "f", "old\n")
	e.wantNoUploads(t)
}
