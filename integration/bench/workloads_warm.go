package main

import "time"

func warmWorkloads() []workload {
	return []workload{
		{id: "W18", title: "warm from the disk cache", unit: unitSpeed, needs: []dataset{dataBig}, named: true,
			fill:  func(t *task) error { return t.readThrough(t.big(), stamped) },
			mount: readWarm, local: readWarm},
	}
}

// readWarm measures a read of what was read before. The first read after the
// mount gets the file from the cache directory; it has a time of its own, as
// later ones may be answered by the kernel's page cache. Then each word is
// looked at, which would take a part of the measured time.
func readWarm(t *task, r *report) error {
	start := time.Now()
	if err := t.readThrough(t.big(), stamped); err != nil {
		return err
	}
	r.First = time.Since(start).Seconds()
	if err := t.readThrough(t.big(), exact); err != nil {
		return err
	}
	return readBig(t, r)
}
