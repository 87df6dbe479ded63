package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nearcase/api"
	"nearcase/api/client"
	"nearcase/store"
	"nearcase/store/local"
)

// A process that ingests is killed again and again until everything is in.
// Whatever it had acknowledged is there each time, and in the end the answers
// are those of a store that was never killed.
func TestKilledIngestLosesNothing(t *testing.T) {
	csv := phantoms(t, 16)
	t.Setenv("NEARCASE_PRIVACY_KEY_FILE", file(t, "patient.key", []byte(strings.Repeat("5a", keyBytes)))) // for both
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	killed, unharmed := filepath.Join(t.TempDir(), "killed"), filepath.Join(t.TempDir(), "unharmed")
	acknowledged := map[string]bool{}
	kills := 0
	for !ingestUntilKilled(t, killed, csv, rng.IntN(15), acknowledged) {
		kills++
		checkStored(t, killed, acknowledged)
		if kills > 100 {
			t.Fatal("no end of kills")
		}
	}
	if kills == 0 {
		t.Error("the process was never killed")
	}
	t.Logf("%d kills, %d images", kills, len(acknowledged))
	checkStored(t, killed, acknowledged)
	succeed(t, "--data", unharmed, "ingest", csv)
	if diff := cmp.Diff(answers(t, unharmed), answers(t, killed)); diff != "" {
		t.Errorf("answers of the killed store (-unharmed +killed):\n%s", diff)
	}
}

// ingestUntilKilled kills the process after some acknowledgements of new
// images and reports whether it came to its end before.
func ingestUntilKilled(t *testing.T, data, csv string, after int, acknowledged map[string]bool) (finished bool) {
	t.Helper()
	c := program(t.Context(), t, "--data", data, "ingest", "--json", csv)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	fresh := 0
	for s := bufio.NewScanner(out); s.Scan(); {
		var l line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			continue // cut short by the kill
		}
		if l.ID == "" {
			finished = strings.Contains(s.Text(), `"counts"`)
			continue
		}
		if l.Status == string(store.Failed) {
			t.Fatalf("ingest %s: %s", l.Path, l.Error)
		}
		if !acknowledged[l.ID] {
			acknowledged[l.ID] = true
			if fresh++; fresh > after {
				_ = c.Process.Kill()
			}
		}
	}
	_ = c.Wait()
	return finished
}

func checkStored(t *testing.T, data string, acknowledged map[string]bool) {
	t.Helper()
	if len(acknowledged) == 0 {
		return
	}
	l, err := local.Open(data, local.Options{MustExist: true})
	if err != nil {
		t.Fatalf("reopen after a kill: %v", err)
	}
	defer l.Close()
	for id := range acknowledged {
		found, err := l.Instance(t.Context(), "default", id)
		if err != nil {
			t.Errorf("acknowledged and lost: %v", err)
			continue
		}
		if len(found.Labels["finding"].Classes) != 1 {
			t.Errorf("%s lost its label: %v", found.Instance.Name, found.Labels)
		}
		original, err := l.Original(t.Context(), "default", id)
		if err != nil {
			t.Errorf("%s lost its original: %v", found.Instance.Name, err)
			continue
		}
		if n, _ := io.Copy(io.Discard, original); n != found.Instance.Size {
			t.Errorf("%s: its original has %d bytes, want %d", found.Instance.Name, n, found.Instance.Size)
		}
		original.Close()
	}
}

// answers asks a data directory about a few of its images.
func answers(t *testing.T, data string) map[string][]api.TaskAnswer {
	t.Helper()
	l, err := local.Open(data, local.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	service := newService(models{config: defaults()}, l, api.Privacy{})
	cases, err := l.List(t.Context(), "default", 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]api.TaskAnswer{}
	for i, c := range cases {
		if i%24 != 0 {
			continue
		}
		a, err := service.Classify(t.Context(), "default", api.Query{Instance: c.Instance.ID})
		if err != nil {
			t.Fatal(err)
		}
		for i := range a.Tasks {
			a.Tasks[i].Probe.Version = 0 // a position in the log, which retries lengthen
		}
		all[c.Instance.ID] = a.Tasks
	}
	return all
}

// A server is killed while labels are posted: every label it acknowledged is
// there when it is started again.
func TestKilledServerKeepsItsLabels(t *testing.T) {
	csv := phantoms(t, 10)
	data := filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "ingest", csv)
	want := map[string]string{}
	for round := range 3 {
		labelUntilKilled(t, data, round, want)
	}
	l, err := local.Open(data, local.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for id, class := range want {
		found, err := l.Instance(t.Context(), "default", id)
		if err != nil || found.Labels["finding"].Classes[0] != class {
			t.Errorf("label of %s: got %v, %v, want %s", id, found.Labels["finding"].Classes, err, class)
		}
	}
	if len(want) < 10 {
		t.Errorf("only %d labels were acknowledged", len(want))
	}
}

// labelUntilKilled notes the labels that the server acknowledged. The one that
// was under way when it was killed may be there or not, so it is given again.
func labelUntilKilled(t *testing.T, data string, round int, want map[string]string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url, kill := startServer(ctx, t, data)
	c, err := client.New(url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	page, err := c.List(ctx, "default", api.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	killed := make(chan struct{})
	end := sync.OnceFunc(func() {
		go func() {
			kill()
			close(killed)
		}()
	})
	defer func() { end(); <-killed }()
	for n := 0; ; n++ {
		if n == 8+6*round { // while labels go on being posted
			end()
		}
		i := page.Instances[n%len(page.Instances)].ID
		class := []string{"clear", "haze", "nodules"}[(n+round)%3]
		_, err := c.Label(ctx, "default", []api.LabelRequest{{Instance: i, Task: "finding", Classes: []string{class}}})
		if err != nil {
			delete(want, i)
			return
		}
		want[i] = class
	}
}

// startServer starts a server in a process of its own on a free port. kill
// returns when the process has ended.
func startServer(ctx context.Context, t testing.TB, data string) (url string, kill func()) {
	t.Helper()
	return started(t, program(ctx, t, "--data", data, "serve", "--listen", "127.0.0.1:0"))
}

// started is startServer for a program that is to be one.
func started(t testing.TB, p *exec.Cmd) (url string, kill func()) {
	t.Helper()
	stderr, err := p.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
	})
	t.Cleanup(kill)
	s := bufio.NewScanner(stderr)
	for s.Scan() {
		if _, after, ok := strings.Cut(s.Text(), "url="); ok {
			url, _, _ := strings.Cut(after, " ")
			go io.Copy(io.Discard, stderr)
			return url, kill
		}
	}
	t.Fatalf("the server did not start: %v", s.Err())
	return "", nil
}
