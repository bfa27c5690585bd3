package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pailfs/pailfs/cmd/pailfs/internal/control"
	"github.com/pailfs/pailfs/fs"
)

// handler answers the control socket of one mount.
type handler struct {
	srv     fs.Server
	dir     string
	version string
	logFile string

	ended chan struct{} // closed when the mount has ended
	err   error         // valid after ended: what was not stored
}

// finish lets the waiting commands know how the mount ended.
func (h *handler) finish(err error) {
	h.err = err
	close(h.ended)
}

// Handle answers one request.
func (h *handler) Handle(ctx context.Context, req control.Request) (control.Response, error) {
	resp := control.Response{PID: os.Getpid(), Dir: h.dir, Version: h.version, LogFile: h.logFile}
	var err error
	switch req.Op {
	case control.OpPing:
	case control.OpStatus:
		st := h.srv.Status()
		resp.Status = &st
	case control.OpDrain:
		err = h.srv.Drain(ctx)
	case control.OpFlush:
		err = h.srv.Flush(ctx)
	case control.OpWait:
		err = h.wait(ctx)
	case control.OpList:
		resp.Kept = h.srv.Kept()
	case control.OpUpload, control.OpSave, control.OpDiscard:
		resp.Results, err = h.recover(ctx, req)
	default:
		err = fmt.Errorf("operation %q is not known here", req.Op)
	}
	return resp, err
}

func (h *handler) wait(ctx context.Context) error {
	select {
	case <-h.ended:
		return h.err
	case <-ctx.Done():
		return errors.New("the process still finishes uploads")
	}
}

// recover works on the drafts that req names, or on all.
func (h *handler) recover(ctx context.Context, req control.Request) ([]control.Result, error) {
	act, err := h.action(req)
	if err != nil {
		return nil, err
	}
	kept := map[string]fs.DraftInfo{}
	ids := req.IDs
	for _, d := range h.srv.Kept() {
		kept[d.ID] = d
		if len(req.IDs) == 0 {
			ids = append(ids, d.ID)
		}
	}
	results := make([]control.Result, 0, len(ids))
	failed := 0
	for _, id := range ids {
		r := control.Result{ID: id}
		d, ok := kept[id]
		if !ok {
			err = errors.New("there is no such kept file")
		} else {
			r.Path = d.Path
			r.To, err = act(ctx, d)
		}
		if err != nil {
			r.Error = err.Error()
			failed++
		}
		results = append(results, r)
	}
	if failed > 0 {
		return results, fmt.Errorf("%d of %d failed", failed, len(ids))
	}
	return results, nil
}

func (h *handler) action(req control.Request) (func(context.Context, fs.DraftInfo) (string, error), error) {
	switch req.Op {
	case control.OpUpload:
		return func(ctx context.Context, d fs.DraftInfo) (string, error) { return h.srv.Upload(ctx, d.ID) }, nil
	case control.OpDiscard:
		if len(req.IDs) == 0 {
			return nil, errors.New("discard needs the ids of what to forget")
		}
		return func(_ context.Context, d fs.DraftInfo) (string, error) { return "", h.srv.Discard(d.ID) }, nil
	}
	// The process that serves a mount must never wait for that mount.
	if !filepath.IsAbs(req.Dir) || within(filepath.Clean(req.Dir), h.dir) {
		return nil, fmt.Errorf("%q must be a local directory outside of the mount", req.Dir)
	}
	return func(ctx context.Context, d fs.DraftInfo) (string, error) { return h.save(ctx, d, req.Dir) }, nil
}

// save writes a draft under its own name, or with its id where that is taken.
func (h *handler) save(ctx context.Context, d fs.DraftInfo, dir string) (string, error) {
	name := filepath.Base(d.Path)
	if name == "." || name == ".." || name == string(filepath.Separator) {
		name = "unnamed" // a key may end so; it must not lead out of dir
	}
	file := filepath.Join(dir, name)
	if _, err := os.Lstat(file); err == nil {
		file += "." + d.ID
	}
	return file, h.srv.Save(ctx, d.ID, file)
}

func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
