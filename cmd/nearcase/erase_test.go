package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/store"
)

// A patient is erased by the same command in a data directory and on a server.
func TestAPatientIsErasedByCommand(t *testing.T) {
	labels := phantoms(t, 6)
	t.Setenv("NEARCASE_PRIVACY_KEY_FILE", file(t, "patient.key", []byte(strings.Repeat("5a", keyBytes))))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url, kill := startServer(ctx, t, filepath.Join(t.TempDir(), "served"))
	defer kill()
	for flag, place := range map[string]string{"--data": filepath.Join(t.TempDir(), "data"), "--server": url} {
		at := func(args ...string) []string { return on(flag, place, args, "") }
		succeed(t, at("ingest", "-c", "c", labels)...)
		patient := firstPatient(t, labels)
		for _, args := range [][]string{{"erase", "-c", "c", patient}, {"erase", "-c", "c", patient, "--confirm", "x"}, {"erase", "-c", "c", "nobody at all", "--confirm", "nobody at all"}} {
			if code, out, err := nearcase(t, at(args...)...); code == 0 || out != "" || err == "" {
				t.Errorf("nearcase %v %s: got status %d, %q, want it refused", args, flag, code, out)
			}
		}
		r := fromJSON[api.Receipt](t, succeed(t, at("erase", "-c", "c", patient, "--confirm", patient, "--json")...))
		if !r.IsVerified() || r.Instances == 0 || r.Originals != r.Instances || r.Patient == "" {
			t.Errorf("erase %s: got %+v, want it verified", flag, r)
		}
		if out := succeed(t, at("erase", "receipts")...); !strings.Contains(out, r.ID) || !strings.Contains(out, "true") {
			t.Errorf("erase receipts %s: got %s, want %s verified", flag, out, r.ID)
		}
		if out := succeed(t, at("erase", "receipt", r.ID)...); !strings.Contains(out, r.Hash) || !strings.Contains(out, "yes: ") || strings.Contains(out, patient) {
			t.Errorf("erase receipt %s: got %s, want it verified and nobody named", flag, out)
		}
		if c := fromJSON[store.Compacted](t, succeed(t, at("compact", "--json")...)); c.Kept == 0 {
			t.Errorf("compact %s: got %+v", flag, c)
		}
		if out := succeed(t, at("compact")...); !strings.Contains(out, "0 of what was deleted erased") {
			t.Errorf("compact %s again: got %s, want nothing left to erase", flag, out)
		}
	}
}

func TestACollectionIsAmendedByCommand(t *testing.T) {
	labels, data := phantoms(t, 4), filepath.Join(t.TempDir(), "data")
	succeed(t, "--data", data, "ingest", "-c", "c", labels)
	for _, args := range [][]string{{"collections", "amend", "c"}, {"collections", "amend", "c", "--discard-originals"}} {
		if code, _, err := nearcase(t, on("--data", data, args, "")...); code == 0 || err == "" {
			t.Errorf("nearcase %v: got status %d, want it refused", args, code)
		}
	}
	out := succeed(t, "--data", data, "collections", "amend", "c", "--description", "Phantoms, for tests", "--discard-originals", "--confirm", "c")
	if !strings.Contains(out, "Phantoms, for tests") || !strings.Contains(out, "discarded") {
		t.Errorf("collections amend: got %s", out)
	}
	if c := fromJSON[api.Collection](t, succeed(t, "--data", data, "collections", "amend", "c", "--no-discard-originals", "--json")); c.DiscardOriginals || c.Description == "" {
		t.Errorf("collections amend --no-discard-originals: got %+v", c)
	}
	s := fromJSON[store.Statistics](t, succeed(t, "--data", data, "collections", "statistics", "c", "--json"))
	if s.Instances == 0 || s.Patients != 4 || s.Disk.Originals != 0 || s.Disk.Log == 0 || len(s.Tasks) == 0 {
		t.Errorf("collections statistics: got %+v", s)
	}
	if out := succeed(t, "--data", data, "collections", "statistics", "c"); !strings.Contains(out, "4 patients") || !strings.Contains(out, "TASK") {
		t.Errorf("collections statistics: got %s", out)
	}
}

// firstPatient returns the patient of the first row of a sheet, as it has them.
func firstPatient(t *testing.T, sheet string) string {
	t.Helper()
	f, err := os.Open(sheet)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1][1]
}

func fromJSON[T any](t *testing.T, out string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return v
}
