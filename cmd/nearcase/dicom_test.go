package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/api/apitest"
	"nearcase/embed/onnx/onnxtest"
)

// Studies of DICOM files, from an archive and a folder, are found by metadata
// and as wholes, through both faces; a damaged file fails alone.
func TestStudiesOfDICOMAreFound(t *testing.T) {
	onnxtest.Require(t)
	folder := t.TempDir()
	for patient := range 3 {
		files, names := map[string][]byte{}, []string{}
		for n := range 3 {
			who := apitest.Who{
				Patient: fmt.Sprint("MRN-", patient), Study: fmt.Sprint("1.2.", patient), Series: fmt.Sprintf("1.2.%d.1", patient),
				Instance: fmt.Sprintf("1.2.%d.1.%d", patient, n), Modality: []string{"CT", "MR", "CR"}[patient],
			}
			names = append(names, fmt.Sprint("IM", n))
			files[names[n]] = apitest.DICOM(t, who, byte(40+60*patient+n))
		}
		if patient == 2 {
			lay(t, filepath.Join(folder, "exported"), files)
			continue
		}
		files["IM9"], names = apitest.Bad(t)["a truncated DICOM file"], append(names, "IM9")
		lay(t, folder, map[string][]byte{fmt.Sprint(patient, ".zip"): apitest.Zip(t, files, names...)})
	}
	data := filepath.Join(t.TempDir(), "data")
	in := func(args ...string) []string { return append([]string{"--data", data}, args...) }
	code, out, errs := nearcase(t, in("ingest", filepath.Join(folder, "0.zip"), filepath.Join(folder, "1.zip"), filepath.Join(folder, "exported"))...)
	if code != 1 || !strings.Contains(out, "9 created 2 failed") || strings.Count(errs, "IM9: ") != 2 || !strings.Contains(errs, "2 of 11 images") {
		t.Fatalf("ingest: exit status %d, printed %q and %q, want 9 of 11 stored", code, out, errs)
	}
	url, log, stop := serving(t, in("serve", "--listen", "127.0.0.1:0")...)
	for _, face := range []struct {
		args  []string
		ready func()
	}{{[]string{"--server", url}, func() {}}, {[]string{"--data", data}, stop}} {
		face.ready()
		for query, want := range map[string]int{
			"--instance 1.2.0.1.1": 6, "--instance 1.2.0.1.1 --same-patient": 8,
			"--instance 1.2.0.1.1 --where Modality=MR": 3, "--instance 1.2.0.1.1 --where Modality=MR|CR --where PatientSex=F": 6,
			"--instance 1.2.0.1.1 --where PatientSex=M": 0, "--instance 1.2.0.1.1 --level study": 2,
			"--instance 1.2.0.1.1 --level series --pool max": 2, "--instance 1.2.0.1.1 --level study --where Modality=CR": 1,
		} {
			got := answered[api.Similar](t, append(append([]string{}, face.args...), append([]string{"similar"}, strings.Fields(query)...)...)...)
			if len(got.Cases) != want {
				t.Errorf("%s similar %s: got %d cases, want %d", face.args[0], query, len(got.Cases), want)
			}
		}
		table := succeed(t, append(append([]string{}, face.args...), "similar", "--instance", "1.2.0.1.1", "--level", "study")...)
		if !strings.Contains(table, "IMAGES") || !strings.Contains(table, "1.2.1") || strings.Contains(table, "MRN-") {
			t.Errorf("similar studies printed %q, want a table of studies", table)
		}
		for args, want := range map[string]string{
			"--where PatientName=Doe^Jane": "PatientName", "--where Modality": "FIELD=VALUE", "--level patient": "--level", "--pool median": "--pool",
		} {
			code, out, errs := nearcase(t, append(append([]string{}, face.args...), append([]string{"similar", "--instance", "1.2.0.1.1"}, strings.Fields(args)...)...)...)
			if code == 0 || !strings.Contains(errs, want) {
				t.Errorf("%s similar %s: exit status %d, printed %q, want an error with %q", face.args[0], args, code, out+errs, want)
			}
		}
	}
	apitest.HoldsNone(t, "the server's log", []byte(log()))
}
