package mountpoint

import (
	"fmt"

	"github.com/moby/sys/mountinfo"
)

// Mount is one line of /proc/self/mountinfo.
type Mount struct {
	Dir, Type, Source string
	Device            string // MAJOR:MINOR
}

// All reads the mount table; it touches no mount. The order is that of
// mounting, so of two at one directory the later is on top.
func All() ([]Mount, error) {
	lines, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, fmt.Errorf("mount table: %w", err)
	}
	all := make([]Mount, len(lines))
	for i, l := range lines {
		all[i] = Mount{Dir: l.Mountpoint, Type: l.FSType, Source: l.Source, Device: fmt.Sprintf("%d:%d", l.Major, l.Minor)}
	}
	return all, nil
}

// At returns the mount that is on top at dir, an absolute path.
func At(dir string) (Mount, bool, error) {
	all, err := All()
	if err != nil {
		return Mount{}, false, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Dir == dir {
			return all[i], true, nil
		}
	}
	return Mount{}, false, nil
}
