package rest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/api/rest"
	"nearcase/embed/dicom/dataset"
)

// orthancPlugin is where Debian has the DICOMweb plugin of Orthanc.
const orthancPlugin = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"

// orthanc is an Orthanc of the test's own, with the world as its DICOMweb server
// nearcase.
type orthanc struct {
	w     *world
	url   string
	dicom string // its port for DIMSE
}

// program skips the test unless a program is there, and returns where.
func program(t testing.TB, name, of string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (Debian: %s)", name, of)
	}
	return path
}

// startOrthanc starts an Orthanc, which ends with the test.
func startOrthanc(t testing.TB, w *world) *orthanc {
	t.Helper()
	if _, err := os.Stat(orthancPlugin); err != nil {
		t.Skip("the DICOMweb plugin of Orthanc is not installed (Debian: orthanc-dicomweb)")
	}
	path, err := exec.LookPath("Orthanc")
	if err != nil {
		path = "/usr/sbin/Orthanc"
	}
	dir := t.TempDir()
	ports := apitest.FreePorts(t, 2)
	web4, dimse := ports[0], ports[1]
	config, err := json.Marshal(map[string]any{
		"Name": "peer", "StorageDirectory": dir, "IndexDirectory": dir, "HttpPort": web4, "DicomPort": dimse, "DicomAet": "PEER",
		"RemoteAccessAllowed": false, "AuthenticationEnabled": false, "SslEnabled": false, "Plugins": []string{orthancPlugin},
		"DicomWeb": map[string]any{"Enable": true, "Root": "/dicom-web/", "Servers": map[string]any{"nearcase": map[string]any{"Url": w.url + web + "/"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "orthanc.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, exec.Command(path, file), "Orthanc has started")
	return &orthanc{w, fmt.Sprintf("http://127.0.0.1:%d", web4), fmt.Sprint(dimse)}
}

// run starts a program, waits until it says so, and ends it with the test.
func run(t testing.TB, c *exec.Cmd, ready string) {
	t.Helper()
	out, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatalf("%s cannot be started: %v", c.Path, err)
	}
	said, ended := make(chan bool, 1), make(chan struct{})
	var log bytes.Buffer // of what it said before it was ready
	go func() {
		defer close(ended)
		isReady := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if isReady {
				continue
			}
			fmt.Fprintln(&log, lines.Text())
			if isReady = strings.Contains(lines.Text(), ready); isReady {
				said <- true
			}
		}
		said <- false
	}()
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		<-ended
		_ = c.Wait()
	})
	if !<-said {
		t.Fatalf("%s ended: %s", c.Path, log.String())
	}
}

// ask sends Orthanc a request and decodes its answer.
func (o *orthanc) ask(method, path string, body, into any) {
	o.w.t.Helper()
	var text []byte
	switch b := body.(type) {
	case nil:
	case []byte:
		text = b
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			o.w.t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(o.w.t.Context(), method, o.url+path, bytes.NewReader(text))
	if err != nil {
		o.w.t.Fatal(err)
	}
	response, err := o.w.http.Do(r)
	if err != nil {
		o.w.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(response.Body); err != nil || response.StatusCode != http.StatusOK {
		o.w.t.Fatalf("Orthanc: %s %s: %d %s %v", method, path, response.StatusCode, answer.String(), err)
	}
	if raw, ok := into.(*[]byte); ok {
		*raw = answer.Bytes()
		return
	}
	if into != nil {
		if err := json.Unmarshal(answer.Bytes(), into); err != nil {
			o.w.t.Fatalf("Orthanc: %s %s: %s: %v", method, path, answer.String(), err)
		}
	}
}

// studies returns the Study Instance UIDs that Orthanc has, by its own IDs.
func (o *orthanc) studies() map[string]string {
	o.w.t.Helper()
	var all []struct {
		ID            string
		MainDicomTags struct{ StudyInstanceUID string }
	}
	o.ask(http.MethodGet, "/studies?expand", nil, &all)
	uids := map[string]string{}
	for _, s := range all {
		uids[s.ID] = s.MainDicomTags.StudyInstanceUID
	}
	return uids
}

// sentToOrthanc are files of several studies and syntaxes: the first by DIMSE.
var sentToOrthanc = []string{
	inPydicom + "CT_small.dcm", inPydicom + "MR_small.dcm", inPydicom + "SC_rgb_rle.dcm", inPydicom + "examples_palette.dcm",
	inPydicom + "JPEG-lossy.dcm", inPydicom + "SC_rgb_rle_2frame.dcm", inPydicom + "MR_small_bigendian.dcm", inPydicom + "MR_small_jp2klossless.dcm",
}

// Orthanc sends its studies here, finds them again, and gets them back.
func TestOrthancSendsFindsAndRetrieves(t *testing.T) {
	files, _ := shared(t)
	w := open(t, api.Options{Privacy: api.Privacy{Key: bytes.Repeat([]byte{7}, 32)}}, rest.Options{})
	w.json(http.MethodPost, "/v1/collections", `{"name":"cases","model":"quadrants"}`).want(201)
	o := startOrthanc(t, w)
	for i, name := range sentToOrthanc {
		if files[name] == nil {
			t.Fatalf("no file %s", name)
		}
		if storescu, err := exec.LookPath("storescu"); err == nil && i < 2 {
			path := filepath.Join(t.TempDir(), "x.dcm")
			if err := os.WriteFile(path, files[name], 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), storescu, "-aec", "PEER", "127.0.0.1", o.dicom, path).CombinedOutput(); err != nil {
				t.Fatalf("storescu: %v %s", err, out)
			}
			continue
		}
		o.ask(http.MethodPost, "/instances", files[name], nil)
	}
	var before, back []string
	o.ask(http.MethodGet, "/instances", nil, &before)
	sent, instances := o.studies(), 0
	for id := range sent {
		var job struct{ InstancesCount string }
		o.ask(http.MethodPost, "/dicom-web/servers/nearcase/stow", map[string]any{"Resources": []string{id}, "Synchronous": true}, &job)
		var n int
		if _, err := fmt.Sscan(job.InstancesCount, &n); err != nil || n == 0 {
			t.Errorf("study %s: %s instances sent", id, job.InstancesCount)
		}
		instances += n
	}
	var found []map[string]struct{ Value any }
	o.ask(http.MethodPost, "/dicom-web/servers/nearcase/qido", map[string]any{"Uri": "/studies"}, &found)
	var uids []string
	for _, f := range found {
		uids = append(uids, fmt.Sprint(f["0020000D"].Value))
	}
	for id := range sent {
		o.ask(http.MethodDelete, "/studies/"+id, nil, nil)
	}
	slices.Sort(uids)
	if want := slices.Sorted(maps.Values(sent)); !slices.Equal(uids, want) {
		t.Errorf("Orthanc finds studies %q, want the %q that it sent", uids, want)
	}
	for _, uid := range sent {
		o.ask(http.MethodPost, "/dicom-web/servers/nearcase/retrieve",
			map[string]any{"Resources": []map[string]string{{"Study": uid}}, "Synchronous": true}, nil)
	}
	o.ask(http.MethodGet, "/instances", nil, &back)
	if len(back) != instances || len(before) != instances || instances < 5 {
		t.Errorf("Orthanc has %d instances back of %d, want the %d that it sent", len(back), len(before), instances)
	}
	for _, id := range back {
		o.isWhatIsKept(t, id)
	}
	quiet(t, w)
}

// isWhatIsKept compares what Orthanc has of an instance with what is kept here.
func (o *orthanc) isWhatIsKept(t *testing.T, id string) {
	var data []byte
	o.ask(http.MethodGet, "/instances/"+id+"/file", nil, &data)
	f, err := dataset.Parse(data, dataset.Limits{})
	if err != nil {
		t.Fatalf("instance %s: %v", id, err)
	}
	uid := f.Set.Text(0x00080018)
	kept := o.w.send(http.MethodGet, at+"/instances/"+uid+"/original", "", "")
	k, err := dataset.Parse(kept.body, dataset.Limits{})
	if err != nil {
		t.Fatalf("instance %s: %v", uid, err)
	}
	if k.Syntax != f.Syntax || len(k.Set.Elements) != len(f.Set.Elements) || k.Set.Text(0x00100020) != f.Set.Text(0x00100020) {
		t.Errorf("instance %s: Orthanc has %d elements in %s, %d are kept in %s", uid, len(f.Set.Elements), f.Syntax, len(k.Set.Elements), k.Syntax)
	}
	a, b := f.Set.Find(0x7FE00010), k.Set.Find(0x7FE00010)
	if !bytes.Equal(a.Value, b.Value) || !slices.EqualFunc(a.Fragments, b.Fragments, bytes.Equal) {
		t.Errorf("instance %s: Orthanc has other pixels", uid)
	}
}

// decoders are DCMTK's by transfer syntax: of those without loss.
var decoders = map[string]string{
	"1.2.840.10008.1.2.5":    "dcmdrle",
	"1.2.840.10008.1.2.4.57": "dcmdjpeg",
	"1.2.840.10008.1.2.4.70": "dcmdjpeg",
	"1.2.840.10008.1.2.4.80": "dcmdjpls",
}

// readByDCMTK checks that DCMTK reads all that is sent, and that what is sent in
// explicit VR little endian has the pixels that it decodes from what is kept.
func readByDCMTK(t *testing.T, w *world) {
	dump := program(t, "dcmdump", "dcmtk")
	decoded, dir, paths := 0, t.TempDir(), []string{"-q", "+P", "PixelData"}
	for number, i := range decodedInstances(t, w) {
		url := strings.TrimPrefix(first(i, "00081190"), w.url)
		explicit, kept := w.asking(url, "application/dicom"), w.asking(url, "application/dicom; transfer-syntax=*")
		if kept.status != 200 {
			t.Errorf("%s: got %d %s", kept.asked, kept.status, kept.body)
			continue
		}
		for name, a := range map[string]answer{"explicit": explicit, "kept": kept} {
			if a.status == 406 { // a codec is missing
				continue
			}
			path := filepath.Join(dir, fmt.Sprint(number, name, ".dcm"))
			if err := os.WriteFile(path, a.body, 0o600); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
		}
		k, err := dataset.Parse(kept.body, dataset.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		decoder := decoders[k.Syntax]
		if _, err := exec.LookPath(decoder); decoder == "" || err != nil || explicit.status != 200 {
			continue
		}
		decoded++
		to := filepath.Join(dir, "decoded.dcm")
		if out, err := exec.CommandContext(t.Context(), decoder, filepath.Join(dir, fmt.Sprint(number, "kept.dcm")), to).CombinedOutput(); err != nil {
			t.Errorf("%s: %s: %v %s", url, decoder, err, out)
			continue
		}
		theirs, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := pixelsOf(t, theirs), pixelsOf(t, explicit.body); !bytes.Equal(a, b) {
			t.Errorf("%s in %s: %d bytes of other pixels than the %d that %s makes", url, k.Syntax, len(b), len(a), decoder)
		}
	}
	if out, err := exec.CommandContext(t.Context(), dump, paths...).CombinedOutput(); err != nil {
		t.Errorf("dcmdump: %v %.2000s", err, out)
	}
	if decoded < 5 {
		t.Errorf("%d files were decoded by DCMTK, want 5 or more", decoded)
	}
}

// decodedInstances are all that a query finds.
func decodedInstances(t testing.TB, w *world) []object {
	t.Helper()
	return decoded[[]object](w.asking(web+"/instances", "").want(200))
}

// pixelsOf returns native pixel data as bytes by pixel, without padding.
func pixelsOf(t testing.TB, data []byte) []byte {
	t.Helper()
	f, err := dataset.Parse(data, dataset.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	number := func(tag dataset.Tag, otherwise int) int { return f.Set.Int(tag, otherwise) }
	rows, columns, samples := number(0x00280010, 0), number(0x00280011, 0), number(0x00280002, 1)
	frames, cell := max(number(0x00280008, 1), 1), number(0x00280100, 8)/8
	pixels := f.Set.Find(0x7FE00010).Value
	size := rows * columns * samples * cell
	pixels = pixels[:min(len(pixels), frames*size)]
	if number(0x00280006, 0) == 0 || samples == 1 {
		return pixels
	}
	out := make([]byte, 0, len(pixels))
	for frame := range slices.Chunk(pixels, size) {
		plane := len(frame) / samples
		for i := 0; i < plane; i += cell {
			for s := range samples {
				out = append(out, frame[s*plane+i:s*plane+i+cell]...)
			}
		}
	}
	return out
}
