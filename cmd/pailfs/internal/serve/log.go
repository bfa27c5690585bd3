package serve

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/pailfs/pailfs/cmd/pailfs/internal/options"
)

// A log grows to logMiB and is then set aside, logBackups times.
const (
	logMiB     = 16
	logBackups = 2
)

// logs is where a mount's messages go.
type logs struct {
	*slog.Logger
	file  string // "" is stderr
	close func()
}

// openLog logs to --log-file, else in the foreground to stderr, else to a file
// in the state directory.
func openLog(m *options.Mount, name string, foreground bool) (*logs, error) {
	path := m.LogFile
	if (path == "" || path == "-") && !foreground {
		dir, err := stateDir()
		if err != nil {
			return nil, err
		}
		path = filepath.Join(dir, "log", name+".log")
	}
	l := &logs{close: func() {}}
	var out io.Writer = os.Stderr
	if path != "" && path != "-" {
		w, err := l.toFile(path)
		if err != nil {
			return nil, err
		}
		out = w
		if !foreground {
			if err := l.catchCrash(path + ".crash"); err != nil {
				return nil, err
			}
		}
	}
	h := &slog.HandlerOptions{Level: m.LogLevel()}
	if m.LogFormat == "json" {
		l.Logger = slog.New(slog.NewJSONHandler(out, h))
	} else {
		l.Logger = slog.New(slog.NewTextHandler(out, h))
	}
	return l, nil
}

func (l *logs) toFile(path string) (io.Writer, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("log file: %w", err)
	}
	// lumberjack opens at the first line; a bad path must be an error now.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log file: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("log file: %w", err)
	}
	l.file = path
	if !info.Mode().IsRegular() {
		l.close = func() { f.Close() } // a pipe or /dev/stderr cannot rotate
		return f, nil
	}
	f.Close()
	w := &lumberjack.Logger{Filename: path, MaxSize: logMiB, MaxBackups: logBackups}
	l.close = func() { _ = w.Close() } // there is no log left to tell
	return w, nil
}

// catchCrash keeps the traces of a crash of the Go runtime, which go past the
// log. The file is removed again where there was none.
func (l *logs) catchCrash(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("log file: %w", err)
	}
	defer f.Close() // SetCrashOutput duplicates it
	if err := debug.SetCrashOutput(f, debug.CrashOptions{}); err != nil {
		return fmt.Errorf("log file: %w", err)
	}
	closeLog := l.close
	l.close = func() {
		closeLog()
		if info, err := os.Stat(path); err == nil && info.Size() == 0 {
			os.Remove(path)
		}
	}
	return nil
}
