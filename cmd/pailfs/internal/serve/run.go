package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/pailfs/pailfs/cache"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/control"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/mountpoint"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/options"
	"github.com/pailfs/pailfs/fs"
)

var errInterrupted = errors.New("interrupted before the mount answered")

// Config is one mount to serve.
type Config struct {
	Mount      *options.Mount
	Version    string // of the program
	Foreground bool
	// Ready is called when the mount answers; its error ends the mount.
	Ready func(dir, logFile string) error
}

// Run mounts and serves until the mount is ended from outside or by a signal.
// The error names what could not be stored.
func (c *Config) Run() error {
	sigs, stop := catchSignals()
	defer stop()
	if err := mountpoint.CheckFUSE(c.Mount.AllowOther()); err != nil {
		return err
	}
	dir, err := mountpoint.Resolve(c.Mount.Dir)
	if err != nil {
		return err
	}
	name := mountName(c.Mount, dir)
	log, err := openLog(c.Mount, name, c.Foreground)
	if err != nil {
		return err
	}
	defer log.close()
	slog.SetDefault(log.Logger) // go-fuse and the runtime's own log package too
	err = c.runAt(dir, name, log, sigs)
	if err != nil && !c.Foreground { // in the foreground, the program's own last line says it
		log.Error("failed", "error", err)
	}
	return err
}

// runAt holds the mount point's socket and stage directory while it is mounted.
func (c *Config) runAt(dir, name string, log *logs, sigs <-chan os.Signal) error {
	if _, err := mountpoint.Prepare(dir, log.Logger); err != nil {
		return err
	}
	sockets, err := control.Dir()
	if err != nil {
		return err
	}
	ctl, err := control.Listen(sockets, dir, log.Logger)
	if err != nil {
		return err
	}
	defer ctl.Close()
	base, err := stageBase(c.Mount)
	if err != nil {
		return err
	}
	st, err := openStage(base, name)
	if err != nil {
		return err
	}
	defer st.release()
	uploads, err := cache.OpenUploads(filepath.Join(st.path, uploadsName), c.Mount.Store(), log.Logger)
	if err != nil {
		return err
	}
	defer uploads.Close()
	srv, interrupted, err := c.mount(dir, st.path, uploads, log, sigs)
	if err != nil {
		return err
	}
	h := &handler{srv: srv, dir: dir, version: c.Version, logFile: log.file, ended: make(chan struct{})}
	ctl.Serve(h)
	s := &session{srv: srv, log: log.Logger, sigs: sigs, patience: c.Mount.DrainTimeout}
	err = c.live(s, dir, log, interrupted)
	h.finish(err)
	return err
}

// mount contacts the store and mounts. A signal meanwhile ends the wait for the
// store, or is reported as interrupted.
func (c *Config) mount(dir, stage string, uploads *cache.Uploads, log *logs, sigs <-chan os.Signal) (srv fs.Server, interrupted bool, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	started, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-sigs:
			cancel()
		case <-started:
		}
	}()
	defer func() {
		close(started)
		<-watched
		interrupted = ctx.Err() != nil
		cancel()
	}()
	b, err := connect(ctx, c.Mount, uploads, log.Logger)
	if err != nil {
		return nil, false, err
	}
	srv, err = fs.Mount(dir, c.Mount.FS(b, stage, log.Logger))
	if err != nil {
		return nil, false, fmt.Errorf("mount %s: %w", dir, err)
	}
	if !c.Mount.ReadOnly() {
		uploads.AbortOld(b)
	}
	return srv, false, nil
}

// live serves a mount that stands, from the ready message to the end.
func (c *Config) live(s *session, dir string, log *logs, interrupted bool) error {
	log.Info("mounted", "source", c.Mount.Source.String(), "dir", dir, "version", c.Version, "pid", os.Getpid())
	if err := mountpoint.SetReadAhead(dir, s.srv.KernelReadAhead()); err != nil {
		log.Info("sequential reads stay below their best: raising the kernel's read-ahead takes root", "error", err)
	}
	s.watch()
	if interrupted {
		return errors.Join(errInterrupted, s.end())
	}
	if c.Ready != nil {
		if err := c.Ready(dir, log.file); err != nil {
			return errors.Join(err, s.end())
		}
	}
	return s.run()
}

// catchSignals collects the signals that end a mount. SIGHUP stays ignored
// where nohup ignores it.
func catchSignals() (<-chan os.Signal, func()) {
	sigs := make(chan os.Signal, 8)
	signal.Notify(sigs, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(sigs, syscall.SIGHUP)
	}
	return sigs, func() { signal.Stop(sigs) }
}
