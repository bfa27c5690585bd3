package cache

import (
	"context"
	"io"
)

// Stream has the drafts that are created from now on send new content while it is
// written, parts at once by layout and so many in all. Without it they do not.
func (s *Stage) Stream(layout PartLayout, parts int) {
	s.streams = &streams{layout: layout, slots: make(chan struct{}, parts)}
}

// SendBy says how to begin an upload, for content that is new: the draft then
// sends it while it is written, once there is more than one part of it. begin is
// called from another goroutine; its upload is aborted with the draft, or taken
// over by Sent. It has no effect where the stage does not stream.
func (d *Draft) SendBy(begin func(context.Context) (PartUpload, error)) {
	if d.stage.streams == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.begin = begin
}

// sendLocked notes that [off, end) was written, or became part of the content.
func (d *Draft) sendLocked(off, end int64) {
	if d.mu.begin == nil || d.mu.baseLimit > 0 {
		return
	}
	head := d.mu.written.Prefix()
	if d.mu.sender == nil {
		c := d.stage.streams
		if _, first := c.layout.Part(1); head <= first {
			return
		}
		d.mu.sender = c.start(d.mu.begin, d.part)
	}
	d.mu.sender.wrote(off, end, head)
}

// part is where the bytes of a part are to be sent from.
func (d *Draft) part(_ int, off, size int64) (body io.ReaderAt, release func()) {
	return io.NewSectionReader(d.file, off, size), func() {}
}

// cutLocked notes that the content ends at size, or did so before it grew.
func (d *Draft) cutLocked(size int64) {
	if d.mu.sender != nil {
		d.mu.sender.cut(size)
	}
}

func (d *Draft) endSenderLocked(completed bool) {
	if d.mu.sender != nil {
		d.mu.sender.end(completed)
		d.mu.sender = nil
	}
}

// Sent sends what is missing of an upload that was begun while the content was
// written, and hands it over: its parts 1..parts are the content. The draft must be
// sealed. up is nil where there is no upload, and after a failure, at which the
// content has to be stored from Body.
func (d *Draft) Sent() (up PartUpload, parts int, err error) {
	d.mu.Lock()
	s, size := d.mu.sender, d.mu.size
	d.mu.Unlock()
	if s == nil {
		return nil, 0, nil
	}
	if _, first := s.layout.Part(1); size <= first {
		d.Unsend(false) // truncated: one PUT
		return nil, 0, nil
	}
	if up, parts, err = s.finish(size); up == nil {
		d.Unsend(false)
	}
	return up, parts, err
}

// Unsend ends the upload that Sent has handed over: completed, or to be aborted.
// The content is then stored from Body, or sent anew after a truncation to 0.
func (d *Draft) Unsend(completed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.endSenderLocked(completed)
}

// Spoiled is the error of a write that failed, until the draft is truncated to 0:
// what the program meant to store is not here, and a part of it must not be.
func (d *Draft) Spoiled() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.spoiled
}
