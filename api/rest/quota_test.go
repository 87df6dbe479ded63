package rest

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestACallerMayAskSoOften(t *testing.T) {
	m, now := newMeters(Quota{Requests: 2, Burst: 3}), time.Unix(0, 0)
	for i := range 4 {
		_, refused := m.enter("a", now)
		if (refused != nil) != (i == 3) {
			t.Errorf("request %d at once: got %+v", i, refused)
		}
		if refused != nil && refused.again != time.Second/2 {
			t.Errorf("refused for %s, want 0.5 s", refused.again)
		}
	}
	if _, refused := m.enter("b", now); refused != nil {
		t.Errorf("another caller: got %+v", refused)
	}
	if _, refused := m.enter("a", now.Add(time.Second/2)); refused != nil {
		t.Errorf("half a second later: got %+v", refused)
	}
}

// Bytes are known when a request is over, and are owed.
func TestACallerOwesTheBytesItTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMeters(Quota{Bytes: 100})
		ask := func() (func(int64), *refusedFor) { return m.enter("a", time.Now()) }
		leave, refused := ask()
		if refused != nil {
			t.Fatal(refused)
		}
		leave(3500) // of 1000 at once
		if _, refused = ask(); refused == nil || refused.again != 25*time.Second {
			t.Fatalf("2500 bytes owed: got %+v, want to be refused for 25 s", refused)
		}
		time.Sleep(25 * time.Second)
		if _, refused = ask(); refused != nil {
			t.Errorf("25 s later: got %+v", refused)
		}
	})
}

func TestACallerMayHaveSoManyUnderWay(t *testing.T) {
	m, now := newMeters(Quota{Concurrent: 2}), time.Now()
	first, _ := m.enter("a", now)
	if _, refused := m.enter("a", now); refused != nil {
		t.Errorf("the second: got %+v", refused)
	}
	if _, refused := m.enter("a", now); refused == nil || refused.again != time.Second {
		t.Errorf("the third: got %+v, want to be refused", refused)
	}
	first(0)
	if _, refused := m.enter("a", now); refused != nil {
		t.Errorf("once one is over: got %+v", refused)
	}
}

// Callers without number take memory that is bounded, and no quota each.
func TestManyCallersAreBounded(t *testing.T) {
	m, now := newMeters(Quota{Requests: 1, Burst: 1}), time.Now()
	let := 0
	for i := range 3 * maxMeters {
		if _, refused := m.enter(fmt.Sprint(i), now); refused == nil {
			let++
		}
	}
	if len(m.all) != maxMeters || let != maxMeters+1 {
		t.Errorf("%d callers: got %d kept and %d let in, want %d and one more", 3*maxMeters, len(m.all), let, maxMeters)
	}
	for _, used := range m.all {
		used.underWay = 0
	}
	if _, refused := m.enter("new", now.Add(2*forgetAfter)); refused != nil || len(m.all) != 1 {
		t.Errorf("after a while: got %+v and %d kept, want the others forgotten", refused, len(m.all))
	}
}

func TestOneNetworkOfIPv6IsOneCaller(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "::ffff:192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "": "", "@": "@",
	} {
		if got := neighbourhood(address); got != want {
			t.Errorf("neighbourhood(%q): got %q, want %q", address, got, want)
		}
	}
}

func TestTheGateLetsSoManyIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 1)
		if !g.enter(nil, time.Minute) {
			t.Fatal("the first: want it let in")
		}
		second := make(chan bool)
		go func() { second <- g.enter(nil, time.Minute) }()
		synctest.Wait()
		if g.enter(nil, time.Minute) {
			t.Error("the third: want it refused, as one waits")
		}
		g.leave()
		if !<-second {
			t.Error("the second: want it let in once the first has left")
		}
		if g.enter(nil, time.Minute) {
			t.Error("the fourth: want it refused after a minute")
		}
		left := make(chan struct{})
		close(left)
		if g.enter(left, time.Minute) {
			t.Error("one whose sender has left: want it refused")
		}
		if open := newGate(0, 0); !open.enter(nil, 0) {
			t.Error("no limit: want it let in")
		} else {
			open.leave()
		}
	})
}
