package integration

import (
	"time"

	"golang.org/x/sys/unix"
)

// did is what came of an operation on the mount.
type did struct {
	errno        string
	data         []byte
	text         string
	stat         *fileInfo
	began, ended time.Time
	closes       []string // errnos of the closes before a remount
}

// perform makes one operation on the mount, as the reference's state says
// which descriptors are meant.
func (c *modelCheck) perform(o op) did {
	d := did{began: time.Now()}
	switch o.Do {
	case "open":
		c.performOpen(o, &d)
	case "close", "dup", "write", "read", "fsync", "ftruncate", "fstat", "fchmod":
		c.performByHandle(o, &d)
	case "remount":
		d.closes = c.closeAll()
		c.mm.remount()
	case "outside-put", "outside-rm":
		c.performOutside(o, &d)
	default:
		c.performByPath(o, &d)
	}
	d.ended = time.Now()
	return d
}

func (c *modelCheck) path(p string) string { return c.dir + "/" + p }

func (c *modelCheck) performOpen(o op, d *did) {
	flags, err := parseFlags(o.Flags)
	if err != nil {
		c.fail("%v", err)
	}
	var fd int
	if fd, d.errno = c.mm.w.Open(c.path(o.Path), flags, uint32(o.Mode)); d.errno == "" {
		c.fds[c.r.free(o.H)] = fd
	}
}

func (c *modelCheck) performByHandle(o op, d *did) {
	w := c.mm.w
	_, slot := c.r.handle(o.H)
	fd := c.fds[slot]
	switch o.Do {
	case "close":
		d.errno = w.Close(fd)
	case "dup":
		var second int
		if second, d.errno = w.Dup(fd); d.errno == "" {
			c.fds[c.r.free(o.H2)] = second
		}
	case "write":
		_, d.errno = w.PwritePattern(fd, o.Seed, o.Len, o.Off)
	case "read":
		d.data, d.errno = w.Pread(fd, o.Off, o.Len)
	case "fsync":
		d.errno = w.Fsync(fd)
	case "ftruncate":
		d.errno = w.Ftruncate(fd, o.Len)
	case "fstat":
		d.stat, d.errno = w.Fstat(fd)
	case "fchmod":
		d.errno = w.Fchmod(fd, uint32(o.Mode))
	}
}

func (c *modelCheck) performByPath(o op, d *did) {
	w, p := c.mm.w, c.path(o.Path)
	switch o.Do {
	case "truncate":
		d.errno = w.Truncate(p, o.Len)
	case "mkdir":
		d.errno = w.Mkdir(p, uint32(o.Mode))
	case "rmdir":
		d.errno = w.Rmdir(p)
	case "unlink":
		d.errno = w.Unlink(p)
	case "rename":
		d.errno = w.Rename(p, c.path(o.To), 0)
	case "rename-noreplace":
		d.errno = w.Rename(p, c.path(o.To), unix.RENAME_NOREPLACE)
	case "symlink":
		d.errno = w.Symlink(o.To, p)
	case "readlink":
		d.text, d.errno = w.Readlink(p)
	case "chmod":
		d.errno = w.Chmod(p, uint32(o.Mode))
	case "utimes":
		d.errno = w.Utimes(p, o.Time*1e9+int64(o.Seed))
	case "stat":
		d.stat, d.errno = w.Stat(p)
	}
}

// performOutside is another client's change. The mount has to show it after its
// time to live, and after the second for which an open believes a HEAD; one
// that believes for long is mounted anew.
func (c *modelCheck) performOutside(o op, d *did) {
	if c.mm.away {
		d.closes = c.closeAll()
	}
	key := c.r.base + o.Path
	var err error
	if o.Do == "outside-put" {
		err = c.s.putObject(key, pattern(o.Seed, o.Len))
	} else {
		err = c.s.removeObjects([]string{key})
	}
	if err != nil {
		c.fail("%s %s: %v", o.Do, key, err)
	}
	if c.mm.away {
		c.mm.remount()
	}
	time.Sleep(c.mm.wait)
	// From here on the mount knows: the old version's handles are parted from
	// the name.
	c.mm.w.Lstat(c.path(o.Path))
}

// closeAll closes what the reference has open, in the order of the slots.
func (c *modelCheck) closeAll() (errnos []string) {
	for slot, f := range c.r.files {
		if f != nil {
			errnos = append(errnos, c.mm.w.Close(c.fds[slot]))
		}
	}
	return errnos
}
