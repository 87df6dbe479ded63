package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"nearcase/api/audit"
)

type auditCommand struct {
	Verify auditVerify `cmd:"" default:"withargs" help:"Tell whether the audit log is as it was written."`
	Show   auditShow   `cmd:"" help:"Print who saw or changed what."`
}

// auditOf returns the folder of the audit log and its key.
func (s *session) auditOf() (string, *audit.Seal, error) {
	if s.Server != "" {
		return "", nil, errors.New("audit works on a data directory, not on --server; a server may have it open meanwhile")
	}
	c, err := s.configuration()
	if err != nil {
		return "", nil, err
	}
	seal, err := c.readAuditKey()
	return c.auditDir(), seal, err
}

type auditVerify struct {
	First int64 `default:"1" help:"Number of the first line, where the files before are kept elsewhere." placeholder:"N"`
}

func (auditVerify) Help() string {
	return `Finds lines that were changed, removed, put in or put elsewhere, and an end that was
cut off. A server may be running meanwhile.`
}

func (q auditVerify) Run(s *session) error {
	dir, seal, err := s.auditOf()
	if err != nil {
		return err
	}
	r, err := seal.Verify(dir, q.First)
	if err != nil {
		return err
	}
	return s.print(r, func(w io.Writer) {
		if r.Last == 0 {
			fmt.Fprintln(w, "the audit log is as it was written: it has no lines yet")
			return
		}
		fmt.Fprintf(w, "the audit log is as it was written: lines %d to %d in %d files, %s to %s\n", r.First, r.Last, r.Files, moment(r.From), moment(r.To))
	})
}

func moment(t time.Time) string { return t.UTC().Format(time.DateTime) }

type auditShow struct {
	Since    string `help:"No lines before: a time (2026-01-02T03:04:05Z), a day (2026-01-02), or how long ago (24h)." placeholder:"TIME"`
	Key      string `help:"Lines of a key alone: its ID, oidc: and a subject, or command." placeholder:"ID"`
	Instance string `help:"Lines that concern an instance alone." placeholder:"ID" xor:"subject"`
	Study    string `help:"Lines that ask for a study alone, by its UID." placeholder:"UID" xor:"subject"`
	Patient  string `help:"Lines that erase a patient alone, by the ID that was given." placeholder:"ID" xor:"subject"`
}

func (auditShow) Help() string {
	return `The log has no identifiers, but hashes of them by its key: an instance or patient is
found by who knows it. With --json it prints the lines as they are.

  nearcase audit show --since 24h --instance 1.2.840.113619.2.55.3`
}

func (q auditShow) Run(s *session) error {
	dir, seal, err := s.auditOf()
	if err != nil {
		return err
	}
	f, err := q.filter(seal, time.Now())
	if err != nil {
		return err
	}
	t := table(s.stdout, "TIME", "KEY", "OPERATION", "COLLECTION", "STATUS", "COUNTS", "FROM", "REQUEST")
	for line, err := range audit.Lines(dir) {
		if err != nil {
			return err
		}
		if !f.Accepts(line) {
			continue
		}
		if s.JSON {
			if err := json.NewEncoder(s.stdout).Encode(line); err != nil {
				return err
			}
			continue
		}
		t.row(moment(line.Time), line.Key, line.Operation, line.Collection, line.Status, tallyText(line.Counts), line.Remote, line.Request)
	}
	if !s.JSON {
		t.flush()
	}
	return nil
}

func (q auditShow) filter(seal *audit.Seal, now time.Time) (f audit.Filter, err error) {
	f.Key = q.Key
	switch {
	case q.Instance != "":
		f.Subject = seal.Instance(q.Instance)
	case q.Study != "":
		f.Subject = seal.Study(q.Study)
	case q.Patient != "":
		f.Subject = seal.Patient(q.Patient)
	}
	if q.Since == "" {
		return f, nil
	}
	if ago, err := time.ParseDuration(q.Since); err == nil {
		f.Since = now.Add(-ago)
		return f, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if f.Since, err = time.Parse(layout, q.Since); err == nil {
			return f, nil
		}
	}
	return f, fmt.Errorf("--since %q: use a time such as 2026-01-02T03:04:05Z, a day, or a duration such as 24h", q.Since)
}

func tallyText(counts map[string]int) string {
	var all []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%s %d", what, counts[what]))
	}
	return strings.Join(all, ", ")
}
