package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"nearcase/embed"
	"nearcase/embed/hub"
	"nearcase/embed/scatter"
)

// manifestName is the file in a model's folder that describes it.
const manifestName = "manifest.yaml"

// placed are the flags of how a model takes its place.
type placed struct {
	Name      string `help:"Name of the model (default: the source's)."`
	Manifest  string `help:"manifest.yaml to put beside the model." placeholder:"FILE" type:"existingfile"`
	Force     bool   `help:"Replace a model of that name. The old one stays until the new one is complete."`
	Unchecked bool   `help:"Do not open the model before it takes its place, for a machine without ONNX Runtime."`
}

type modelsPull struct {
	Source   string `arg:"" help:"Name of the catalogue, organisation/name[@revision] of the hub, or https:// address of an ONNX file." placeholder:"SOURCE"`
	Revision string `help:"Branch, tag or commit (default: main)."`
	File     string `help:"ONNX file to take where there are several, such as onnx/model_fp16.onnx."`
	SHA256   string `name:"sha256" help:"Digest that the ONNX file must have." placeholder:"HEX"`
	Endpoint string `help:"Hub or mirror to fetch from: https://, or a folder as file:// (default: hub.endpoint of the configuration)." placeholder:"URL"`
	placed
}

func (modelsPull) Help() string {
	return `Fetches what a model needs into the models folder: its configuration, its ONNX
files and their data, at one commit. Every file is checked against the hub's
digests. A pull that is broken off goes on where it stopped when it is repeated;
a model is there whole or not at all.

A gated model needs the consent of its owner, on its page, and a token in
HF_TOKEN, NEARCASE_HUB_TOKEN or hub.token. HTTPS_PROXY and NO_PROXY are heeded.

  nearcase models list --available
  nearcase models pull clip-vit-b32
  nearcase models pull onnx-community/dinov2-small@main --file onnx/model_fp16.onnx
  nearcase models pull --endpoint file:///mnt/mirror dinov2-base
  nearcase models pull --manifest resnet18.yaml https://models.example.org/resnet18.onnx`
}

func (q modelsPull) Run(ctx context.Context, s *session) error {
	if s.Server != "" {
		return errors.New("models pull works on this machine, not on --server")
	}
	c, err := s.configuration()
	if err != nil {
		return err
	}
	o, err := q.options(models{config: c}, s)
	if err != nil {
		return err
	}
	plan, err := hub.Resolve(ctx, q.Source, o)
	if err != nil {
		return err
	}
	if plan.Repository == "" && q.Manifest == "" {
		return fmt.Errorf("%s is an ONNX file and nothing says how pictures are fed to it: give its manifest with --manifest, as docs/models.md describes", plan.Page)
	}
	if !s.Quiet {
		printPlan(s.stderr, plan)
	}
	if q.Manifest == "" {
		o.Extra = variant(plan)
	}
	return q.carryOut(ctx, s, c, plan, "", o)
}

// variant is a manifest where the plan's graph is none that a folder is looked
// through for.
func variant(p hub.Plan) map[string][]byte {
	var graphs, files []string
	for _, f := range p.Files {
		files = append(files, f.Path)
		if strings.HasSuffix(f.Path, ".onnx") {
			graphs = append(graphs, f.Path)
		}
	}
	manifest := embed.ManifestFor(p.Name, graphs, files)
	if manifest == nil {
		return nil
	}
	return map[string][]byte{manifestName: manifest}
}

// options are those of the hub that the flags and the configuration give.
func (q *modelsPull) options(m models, s *session) (hub.Options, error) {
	o, err := q.placed.options(m, s)
	o.Endpoint, o.Token = cmp.Or(q.Endpoint, m.config.Hub.Endpoint), cmp.Or(m.config.Hub.Token, os.Getenv("HF_TOKEN"))
	o.Revision, o.File, o.SHA256 = q.Revision, q.File, q.SHA256
	return o, err
}

// options are those of placing a model with a manifest.
func (p *placed) options(m models, s *session) (o hub.Options, err error) {
	o = hub.Options{Force: p.Force, Progress: s.bytes("fetch"), External: outside}
	if p.Manifest != "" {
		content, err := readSmall(p.Manifest)
		if err != nil {
			return o, err
		}
		p.Name = cmp.Or(p.Name, embed.ManifestName(content))
		o.Extra = map[string][]byte{manifestName: content}
	}
	if err := free(p.Name); err != nil {
		return o, err
	}
	if !p.Unchecked {
		if err := m.load(); err != nil { // rather now than after the download
			return o, fmt.Errorf("%w; or use --unchecked", err)
		}
	}
	return o, nil
}

// free refuses the name of the built-in model.
func free(name string) error {
	if name == scatter.Manifest().Name {
		return fmt.Errorf("%s is the built-in model: give another --name", name)
	}
	return nil
}

// outside lists the files in which the graph at path keeps data.
func outside(path string) ([]string, error) {
	g, err := inspect(path)
	return g.External, err
}

// settle completes a model that has not taken its place yet, and tries it unless it
// is not to be checked. Its manifest gets its name, and the vectors recorded of the
// model that it replaces, or of that in the folder it comes from, are kept.
func (p placed) settle(ctx context.Context, m models, folder, from string) error {
	name := filepath.Base(folder)
	if err := rename(filepath.Join(folder, manifestName), name); err != nil {
		return err
	}
	before := []string{filepath.Join(m.config.Models, name)}
	if from != "" {
		before = append(before, from)
	}
	if err := inherit(folder, before); err != nil {
		return err
	}
	if p.Unchecked {
		return nil
	}
	return m.try(ctx, folder)
}

// inherit takes the recorded vectors over from the first folder that has some.
func inherit(folder string, before []string) error {
	for _, f := range before {
		content, err := readSmall(filepath.Join(f, goldenName))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(folder, goldenName), content, 0o644)
	}
	return nil
}

// rename writes a model's name into the manifest at path, if there is one.
func rename(path, name string) error {
	content, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		content, err = embed.NameManifest(content, name)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return os.WriteFile(path, content, 0o644)
}

// try opens a model that has not taken its place yet.
func (m models) try(ctx context.Context, folder string) error {
	m.config.Models = filepath.Dir(folder)
	model, err := m.open(filepath.Base(folder))
	if err != nil {
		return fmt.Errorf("the model cannot be used and does not take its place: %w", err)
	}
	_, err = model.Record(ctx)
	return errors.Join(err, model.Close())
}

// carryOut fetches what is planned; from is the model's folder of this machine that
// it comes from, if any.
func (p placed) carryOut(ctx context.Context, s *session, c config, plan hub.Plan, from string, o hub.Options) error {
	name := cmp.Or(p.Name, plan.Name)
	if err := free(name); err != nil {
		return err
	}
	o.Check = func(folder string) error { return p.settle(ctx, models{config: c}, folder, from) }
	record, err := hub.Pull(ctx, plan, c.Models, name, o)
	if err != nil {
		return err
	}
	return s.print(record, func(w io.Writer) {
		t := table(w, "FILE", "BYTES", "SHA256")
		for _, f := range record.Files {
			t.row(f.Path, f.Bytes, f.SHA256)
		}
		t.flush()
		fmt.Fprintf(w, "model %s is in %s; use it with --model %s\n", name, filepath.Join(c.Models, name), name)
	})
}

// printPlan says under which terms a model comes.
func printPlan(w io.Writer, p hub.Plan) {
	t := table(w)
	t.row("source", cmp.Or(p.Page, p.Source))
	if p.Commit != "" {
		t.row("commit", fmt.Sprintf("%s (%s)", p.Commit, p.Revision))
	}
	t.row("licence", cmp.Or(p.Licence, "not stated: see the page"))
	if p.Gated {
		t.row("access", "gated: its owner asks for consent on the page")
	}
	if p.Entry != nil {
		t.row("training data", p.Entry.TrainingData)
		t.row("note", cmp.Or(p.Entry.Note, "-"))
	}
	if n := p.Bytes(); n >= 0 {
		t.row("size", fmt.Sprintf("%d files, %.1f MB", len(p.Files), float64(n)/1e6))
	}
	t.flush()
}

// bytes shows how far a download is, where people look.
func (s *session) bytes(what string) func(done, total int64) {
	show := s.progress(what)
	return func(done, total int64) {
		if total >= 0 {
			show(int(done), int(total))
		}
	}
}
