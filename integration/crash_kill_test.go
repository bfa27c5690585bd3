package integration

import (
	"context"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/lab"
)

// killPoint is one moment in the requests of a mount.
type killPoint struct {
	op       string // "" is any
	key      string // end of the key, or of a listing's prefix; "" is any
	nth      int    // the first is 1
	answered bool   // when the server has done the work; else the request never gets there
}

// killer kills a mount at a killPoint.
type killer struct {
	m  *mount
	at killPoint

	mu    sync.Mutex
	count int
	done  bool
}

// killAt makes the mount's process die by SIGKILL at a request of its own.
// Afterwards the dead mount stays where it is, so that programs in it get
// errors and not the directory below, until restart.
func (m *mount) killAt(t *testing.T, at killPoint) *killer {
	t.Helper()
	k := &killer{m: m, at: at}
	if at.answered {
		m.e.lab.ObserveAnswers(func(op, key string, status int) {
			if status < 300 {
				k.see(op, key)
			}
		})
	} else {
		m.e.lab.Observe(k.see)
	}
	return k
}

// see runs in the lab, which holds the request, or its answer, meanwhile.
func (k *killer) see(op, key string) {
	if k.at.op != "" && op != k.at.op || !strings.HasSuffix(key, k.at.key) {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.count++; k.count != k.at.nth {
		return
	}
	_ = syscall.Kill(-k.m.pid(), syscall.SIGKILL)
	k.m.waitEnded(mountTimeout)
	_ = k.m.e.lab.SetFaults(deadMount) // valid; holds for the request that waits here, too
	k.done = true
}

// deadMount keeps what a dead process may have left in its sockets from the
// server.
var deadMount = lab.FaultSet{Rules: []lab.Rule{{Kind: lab.KindRefuse, Probability: 1}}}

// fired reports whether the moment has come.
func (k *killer) fired() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.done
}

// restart kills the mount, if it still lives, and mounts again at the same place
// with the same stage.
func (m *mount) restart(t *testing.T) {
	t.Helper()
	m.bury(t)
	m.start(t)
}

// bury kills the mount, if it still lives, and waits until none of its requests
// is under way.
func (m *mount) bury(t *testing.T) {
	t.Helper()
	m.kill9()
	l := m.e.lab
	if err := l.SetFaults(deadMount); err != nil {
		t.Fatal(err)
	}
	l.Observe(nil)
	l.ObserveAnswers(nil)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for begun := int64(-1); ; time.Sleep(10 * time.Millisecond) {
		if err := l.Quiet(ctx); err != nil {
			t.Fatalf("requests of a dead mount do not end: %v", err)
		}
		s := l.Stats()
		if s.InFlight == 0 && s.Requests == begun {
			break
		}
		begun = s.Requests
	}
	l.ClearFaults()
}
