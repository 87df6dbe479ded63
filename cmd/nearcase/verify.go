package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"nearcase/api"
	"nearcase/store"
)

type verifyCommand struct {
	Sample int    `default:"16" help:"Instances of each collection that are embedded again from their originals; 0: none."`
	Seed   uint64 `help:"Chooses them: the same choice for the same seed (default: another each time)."`
}

func (verifyCommand) Help() string {
	return `Reads all that is stored and says what is wrong with it: the log by its checksums,
originals by their digests, every vector of the index beside the log, snapshots,
probes' statistics, thumbnails, and documents such as keys and receipts. Then it
embeds a sample of the originals again and compares the vectors, and fits every
probe anew to all of its labels and compares the coefficients.

It changes nothing, save that /readyz tells what the last one found, and everything else
goes on meanwhile. The exit status is 1 where something is wrong that is not derived:
what is derived is made anew by itself. docs/durability.md says what to do.

  nearcase verify
  nearcase verify --sample 1000 --server http://127.0.0.1:8417`
}

// errNotWhole is that something stored is not as it was.
var errNotWhole = errors.New("something that is stored is not as it was stored")

func (q verifyCommand) Run(ctx context.Context, s *session) error {
	return s.with(existing, func(o operations, _ config) error {
		v, err := o.Verify(ctx, api.VerifyOptions{Sample: q.sample(), Seed: q.Seed}, s.progress("verify"))
		if err != nil {
			return err
		}
		if err := s.print(v, func(w io.Writer) { printVerification(w, v) }); err != nil {
			return err
		}
		if !v.IsWhole() {
			return errNotWhole
		}
		return nil
	})
}

func printVerification(w io.Writer, v api.Verified) {
	if len(v.Findings) > 0 {
		t := table(w, "COLLECTION", "WHAT", "KEY", "NAME", "REASON")
		for _, f := range v.Findings {
			reason := f.Reason
			if f.Mended {
				reason += " (derived: made anew by itself)"
			}
			t.row(orDash(f.Collection), f.What, keyText(f.Key), orDash(f.Name), reason)
		}
		t.flush()
		if more := v.Found - len(v.Findings); more > 0 {
			fmt.Fprintf(w, "and %d more\n", more)
		}
		fmt.Fprintln(w)
	}
	var read []string
	for _, what := range slices.Sorted(maps.Keys(v.Read)) {
		read = append(read, fmt.Sprintf("%s %d", what, v.Read[what]))
	}
	fmt.Fprintf(w, "read in %d collections: %s (originals: %s)\n", v.Collections, strings.Join(read, ", "), bytesText(v.Bytes))
	if v.Furthest != nil {
		fmt.Fprintf(w, "embedded again: %d, least similarity %.7f\n", v.Embedded, *v.Furthest)
	}
	if v.Difference != nil {
		fmt.Fprintf(w, "probes fitted anew: %d, largest relative difference %.1e\n", v.Probes, *v.Difference)
	}
	fmt.Fprintf(w, "%d findings. %.1f s\n", v.Found, v.Took.Seconds())
}

func keyText(key store.Key) string {
	if key == 0 {
		return "-"
	}
	return fmt.Sprint(key)
}

// sample is the flag as api.VerifyOptions has it.
func (q verifyCommand) sample() int {
	if q.Sample <= 0 {
		return -1
	}
	return q.Sample
}
