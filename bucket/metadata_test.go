package bucket

import (
	"maps"
	"testing"
	"time"
)

func ptr[T any](v T) *T { return &v }

func TestDecodeAttributes(t *testing.T) {
	at := time.Unix(1700000000, 123456789)
	for _, tc := range []struct {
		name string
		meta map[string]string
		want Attributes
	}{
		{"s3fs", map[string]string{"mode": "33188", "uid": "1000", "gid": "100", "mtime": "1700000000", "ctime": "1700000000"},
			Attributes{Mode: ptr(uint32(0o100644)), UID: ptr(uint32(1000)), GID: ptr(uint32(100)), Mtime: ptr(time.Unix(1700000000, 0))}},
		{"s3fs symlink", map[string]string{"mode": "41471"}, Attributes{Mode: ptr(uint32(0o120777))}},
		{"fraction", map[string]string{"mtime": "1700000000.123456789"}, Attributes{Mtime: &at}},
		{"short fraction", map[string]string{"mtime": "1700000000.5"}, Attributes{Mtime: ptr(time.Unix(1700000000, 5e8))}},
		{"rclone", map[string]string{"mode": "100644", "mtime": "2023-11-14T22:13:20.123456789Z", "rdev": "fe01"},
			Attributes{Mode: ptr(uint32(0o100644)), Mtime: &at, Rdev: ptr(uint32(0xfe01))}},
		{"rclone directory", map[string]string{"mode": "40755"}, Attributes{Mode: ptr(uint32(0o040755))}},
		{"leading zero", map[string]string{"mode": "0100755"}, Attributes{Mode: ptr(uint32(0o100755))}},
		{"geesefs", map[string]string{"mode": "8612", "rdev": "259", "--symlink-target": "a/b"},
			Attributes{Mode: ptr(uint32(0o020644)), Rdev: ptr(uint32(259)), Symlink: ptr("a/b")}},
		{"AWS", map[string]string{"file-permissions": "0755", "file-owner": "33", "file-group": "34", "file-mtime": "1700000000123456789ns", "file-atime": "1700000000000ms"},
			Attributes{Mode: ptr(uint32(0o755)), UID: ptr(uint32(33)), GID: ptr(uint32(34)), Mtime: &at, Atime: ptr(time.Unix(1700000000, 0))}},
		{"ours win", map[string]string{"uid": "1", "file-owner": "2"}, Attributes{UID: ptr(uint32(1))}},
		{"malformed", map[string]string{"mode": "rwx", "uid": "-1", "gid": "4294967296", "mtime": "1.x", "atime": "T", "rdev": "zz", "pailfs-symlink": "%00", "pailfs-attrs": "2"}, Attributes{}},
		{"impossible", map[string]string{"mode": "999999999", "mtime": "99999999999999999999", "file-mtime": "ns"}, Attributes{}},
		{"before 1970", map[string]string{"mtime": "-1.500000000"}, Attributes{Mtime: ptr(time.Unix(-2, 5e8))}},
		{"ours", map[string]string{"pailfs-symlink": "%C3%BC%20/x%25", "pailfs-attrs": "1"}, Attributes{Symlink: ptr("ü /x%"), AttrsMarker: true}},
		{"nothing", nil, Attributes{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := DecodeAttributes(tc.meta); !sameAttributes(got, tc.want) {
				t.Errorf("got %v, want %v", got.Encode(nil), tc.want.Encode(nil))
			}
		})
	}
}

func sameAttributes(a, b Attributes) bool {
	return same(a.Mode, b.Mode) && same(a.UID, b.UID) && same(a.GID, b.GID) && same(a.Rdev, b.Rdev) &&
		same(a.Symlink, b.Symlink) && a.AttrsMarker == b.AttrsMarker &&
		sameTime(a.Mtime, b.Mtime) && sameTime(a.Atime, b.Atime)
}

func same[T comparable](a, b *T) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

func sameTime(a, b *time.Time) bool {
	return (a == nil) == (b == nil) && (a == nil || a.Equal(*b))
}

func TestEncodeKeepsWhatIsForeign(t *testing.T) {
	meta := map[string]string{"author": "me", "uid": "1", "file-owner": "1", "file-permissions": "0644", "file-mtime": "1ns", "mtime": "1", CommitKey: "x"}
	before := maps.Clone(meta)
	a := Attributes{UID: ptr(uint32(2)), Mode: ptr(uint32(0o100600)), Mtime: ptr(time.Unix(1, 2))}
	got := a.Encode(meta)
	want := map[string]string{"author": "me", "uid": "2", "file-owner": "2", "mode": "33152", "file-permissions": "0600", "file-mtime": "1000000002ns", "mtime": "1.000000002", CommitKey: "x"}
	if !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if !maps.Equal(meta, before) {
		t.Error("the argument has changed")
	}
	cleared := Attributes{}.Encode(meta)
	if want := map[string]string{"author": "me", CommitKey: "x"}; !maps.Equal(cleared, want) {
		t.Error(cleared)
	}
	if n := MetadataSize(map[string]string{"ab": "cde"}); n != 5 {
		t.Error(n)
	}
}

func FuzzAttributesRoundTrip(f *testing.F) {
	f.Add(uint32(0o100644), uint32(0), int64(1700000000), int64(1), "target")
	f.Add(uint32(0o120777), uint32(1<<32-1), int64(-1), int64(999999999), "ü %/\n\xff")
	f.Add(uint32(0o107777), uint32(5), int64(-62135596800), int64(0), "%41+")
	f.Fuzz(func(t *testing.T, mode, id uint32, sec, nsec int64, target string) {
		mode &= modeAll
		if !knownType(mode) || tooFar(sec) || nsec < 0 || nsec >= 1e9 || tooFar(sec+1) {
			return // no mode or time that a file can have: nothing is promised of it
		}
		a := Attributes{Mode: &mode, UID: &id, GID: &id, Rdev: &id, Mtime: ptr(time.Unix(sec, nsec)), Atime: ptr(time.Unix(-sec, nsec))}
		if parseTarget(percentEncode(target)) != nil {
			a.Symlink = &target
		}
		meta := a.Encode(map[string]string{"file-mtime": "1s", "--symlink-target": "x", "file-permissions": "0"})
		for _, v := range meta {
			for i := range len(v) {
				if v[i] < ' ' || v[i] > '~' {
					t.Errorf("%q is no header", v)
				}
			}
		}
		if got := DecodeAttributes(meta); !sameAttributes(got, a) {
			t.Errorf("%v became %v", meta, got.Encode(nil))
		}
	})
}

func FuzzDecodeAttributes(f *testing.F) {
	f.Add("33188", "1700000000.5", "a%20b")
	f.Fuzz(func(t *testing.T, mode, at, target string) {
		a := DecodeAttributes(map[string]string{"mode": mode, "mtime": at, "file-atime": at, "pailfs-symlink": target})
		if got := DecodeAttributes(a.Encode(nil)); !sameAttributes(got, a) {
			t.Errorf("%q %q %q: %v became %v", mode, at, target, a.Encode(nil), got.Encode(nil))
		}
	})
}
