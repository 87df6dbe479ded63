package browser

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nearcase/cmd/nearcase/phantom"
	"nearcase/embed/onnx/onnxtest"
)

// The collections of the world, which tests share and each may add to; those that
// change labels make collections of their own.
const (
	radiographs = "cxr"      // 150 normal and 150 with pneumonia, 20 of them unlabelled
	dicom       = "dicom"    // files of several kinds, one with frames
	hostile     = "hostile"  // names and classes that would be markup and scripts
	drawn       = "phantoms" // synthetic images, for pictures of the page
)

// world is a server, the program itself in its own process, with its collections.
type world struct {
	url         string
	dir         string
	admin, read string // keys
	binary      string
}

var (
	once    sync.Once
	shared  *world
	broken  error
	cleanup []func()
)

func TestMain(m *testing.M) {
	code := m.Run()
	for _, f := range slices.Backward(cleanup) {
		f()
	}
	os.Exit(code)
}

// theWorld returns the server that all tests of the package share.
func theWorld(t testing.TB) *world {
	t.Helper()
	data := testData(t)
	onnxtest.Require(t)
	once.Do(func() { shared, broken = newWorld(data) })
	if broken != nil {
		t.Fatal(broken)
	}
	return shared
}

func testData(t testing.TB) string {
	t.Helper()
	data := os.Getenv("NEARCASE_TESTDATA")
	if data == "" {
		t.Skip("NEARCASE_TESTDATA is not set")
	}
	return data
}

func newWorld(data string) (*world, error) {
	dir, err := os.MkdirTemp("", "nearcase-browser")
	if err != nil {
		return nil, err
	}
	cleanup = append(cleanup, func() { _ = os.RemoveAll(dir) })
	w := &world{dir: dir, binary: filepath.Join(dir, "nearcase")}
	if out, err := exec.Command("go", "build", "-o", w.binary, "nearcase/cmd/nearcase").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w: %s", err, out)
	}
	if err := w.samePatients(); err != nil {
		return nil, err
	}
	sheet, err := someRadiographs(data, dir)
	if err != nil {
		return nil, err
	}
	if err := hostileImages(filepath.Join(dir, "hostile")); err != nil {
		return nil, err
	}
	if err := phantoms(filepath.Join(dir, "phantoms"), 60); err != nil {
		return nil, err
	}
	if err := anotherModel(data, filepath.Join(dir, "models", "resnet18-layer3")); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"ingest", "--collection", radiographs, sheet},
		{"ingest", "--collection", dicom, filepath.Join(data, "dicom", "pydicom")},
		{"ingest", "--collection", hostile, filepath.Join(dir, "hostile", "labels.csv")},
		{"ingest", "--collection", drawn, filepath.Join(dir, "phantoms", "labels.csv")},
	} {
		if _, err := w.run(args...); err != nil && args[2] != dicom { // some of those are broken on purpose
			return nil, err
		}
	}
	if w.admin, err = w.run("keys", "create", "--name", "admin", "--scope", "admin"); err != nil {
		return nil, err
	}
	if w.read, err = w.run("keys", "create", "--name", "reader", "--scope", "read"); err != nil {
		return nil, err
	}
	return w, w.serve()
}

// samePatients gives the data directory the same patient key every time. Which patients
// the probes are chosen and calibrated without depends on it, and so what they say.
func (w *world) samePatients() error {
	if err := os.Mkdir(filepath.Join(w.dir, "data"), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(w.dir, "data", "patient.key"), []byte(strings.Repeat("11", 32)), 0o600)
}

// run runs a command of the program on the world's data directory, before it serves.
func (w *world) run(args ...string) (string, error) {
	c := exec.Command(w.binary, append(args, "--quiet", "--data", filepath.Join(w.dir, "data"))...)
	var out, problems strings.Builder
	c.Stdout, c.Stderr = &out, &problems
	err := c.Run()
	if err != nil {
		err = fmt.Errorf("nearcase %s: %w: %s", strings.Join(args, " "), err, problems.String())
	}
	return strings.TrimSpace(out.String()), err
}

var listening = regexp.MustCompile(`msg=listening address=(\S+)`)

// serve starts the server, and ends it when the tests have.
func (w *world) serve() error {
	ctx, kill := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, w.binary, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(w.dir, "data"), "--models-dir", filepath.Join(w.dir, "models"))
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	log, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		kill()
		return err
	}
	cleanup = append(cleanup, func() { kill(); _ = c.Wait() })
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			w.url = "http://" + m[1]
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return w.ready()
		}
	}
	return errors.New("the server has ended before it listened")
}

// ready asks until the server has opened its data.
func (w *world) ready() error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for range again.C {
		r, err := http.Get(w.url + "/readyz")
		if err != nil {
			return err
		}
		if err := r.Body.Close(); err != nil || r.StatusCode == http.StatusOK {
			return err
		}
	}
	return nil
}

// someRadiographs writes a sheet of the first 150 radiographs of each finding, the
// last ten of each without labels.
func someRadiographs(data, dir string) (string, error) {
	f, err := os.Open(filepath.Join(data, "cxr", "labels.csv"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return "", err
	}
	chosen, of := [][]string{{"file", "patient_id", "finding"}}, map[string]int{}
	for _, r := range rows[1:] {
		file, patient, finding := r[0], r[1], r[2]
		if of[finding]++; of[finding] > 150 {
			continue
		}
		if of[finding] > 140 {
			finding = ""
		}
		chosen = append(chosen, []string{filepath.Join(data, "cxr", file), patient, finding})
	}
	return sheet(filepath.Join(dir, "radiographs.csv"), chosen)
}

// anotherModel makes the folder of a model beside the built-in one.
func anotherModel(data, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, file := range []string{filepath.Join("..", "..", "..", "docs", "models", "resnet18-layer3", "manifest.yaml"), filepath.Join(data, "models", "resnet18_layer3_gap256.onnx")} {
		content, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(file)), content, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func sheet(path string, rows [][]string) (string, error) {
	var b strings.Builder
	err := csv.NewWriter(&b).WriteAll(rows)
	if err == nil {
		err = os.WriteFile(path, []byte(b.String()), 0o600)
	}
	return path, err
}

// Markup that must be seen as text.
const (
	hostileName  = `<img src=x onerror=document.title='owned'>.png`
	hostileClass = `<script>document.title='owned'</script>`
)

func hostileImages(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	rows := [][]string{{"file", "patient_id", "finding"}}
	for i := range 6 {
		name := fmt.Sprint(i, strings.ReplaceAll(hostileName, "/", ""))
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		picture := image.NewGray(image.Rect(0, 0, 64, 64))
		for x := range 64 {
			for y := range 64 {
				picture.SetGray(x, y, color.Gray{uint8(x*(i+1) + y)})
			}
		}
		err = errors.Join(png.Encode(f, picture), f.Close())
		if err != nil {
			return err
		}
		rows = append(rows, []string{name, fmt.Sprint("p", i), []string{hostileClass, "plain"}[i%2]})
	}
	_, err := sheet(filepath.Join(dir, "labels.csv"), rows)
	return err
}

// phantoms writes a folder of synthetic images of so many patients with its sheet. What
// the last ten show is not said.
func phantoms(dir string, patients int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	rows, of := [][]string{{"file", "instance_id", "patient_id", "study_id", phantom.Finding, phantom.Devices}}, map[string]bool{}
	for p := range phantom.All(1, patients) {
		of[p.Patient] = true
		finding, devices := p.Labels[phantom.Finding][0], strings.Join(p.Labels[phantom.Devices], "|")+"|"
		if len(of) > patients-10 {
			finding, devices = "", ""
		}
		rows = append(rows, []string{p.Name, strings.TrimSuffix(p.Name, ".png"), p.Patient, p.Study, finding, devices})
		if err := os.WriteFile(filepath.Join(dir, p.Name), p.PNG, 0o600); err != nil {
			return err
		}
	}
	_, err := sheet(filepath.Join(dir, "labels.csv"), rows)
	return err
}
