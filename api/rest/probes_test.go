package rest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"nearcase/api"
	"nearcase/store"
)

// Versions are made, shown, compared and rolled back over HTTP.
func TestVersionsOfProbesOverHTTP(t *testing.T) {
	w, path := cases(t, 24), at+"/probes/finding"
	first := decoded[api.ProbeVersion](w.json(http.MethodPost, path+"/retrain", `{}`).want(200))
	w.said(`"task":"finding","classes":["light"]`).want(200)
	second := decoded[api.ProbeVersion](w.json(http.MethodPost, path+"/retrain", `{}`).want(200))
	if first.Version == 0 || second.Version <= first.Version || !second.Answering || second.Pinned || second.Tuning.Examples != 24 {
		t.Errorf("retrain: got %+v and %+v, want the second to answer", first, second)
	}
	show := func(query string) api.ProbeVersion { return decoded[api.ProbeVersion](w.get(path + query).want(200)) }
	if got := show(fmt.Sprint("?version=", first.Version)); got.Version != first.Version || got.Answering {
		t.Errorf("the first version: got %+v, want it not to answer", got)
	}
	i := decoded[api.ProbeInfo](w.json(http.MethodPost, path+"/rollback", fmt.Sprintf(`{"version":%d}`, first.Version)).want(200))
	if i.Answering != first.Version || i.Pinned != first.Version || !slices.Equal(i.Versions, []store.Key{first.Version, second.Version}) {
		t.Errorf("rollback: got %+v, want version %d pinned of both", i, first.Version)
	}
	if got := show(""); got.Version != first.Version || !got.Pinned {
		t.Errorf("the version that answers: got %+v, want the pinned one", got)
	}
	c := decoded[api.Comparison](w.get(fmt.Sprintf("%s/compare?a=%d", path, second.Version)).want(200))
	if len(c.Versions) != 2 || c.Versions[1].Version != first.Version || c.Heads[0].Instances != 24 {
		t.Errorf("compare: got %+v, want both versions and 24 instances", c)
	}
	if i := decoded[api.ProbeInfo](w.json(http.MethodPost, path+"/rollback", `{"version":0}`).want(200)); i.Answering != second.Version {
		t.Errorf("rollback to the newest: got %+v, want version %d", i, second.Version)
	}
}

func TestVersionsThatAreNotThereAreRefused(t *testing.T) {
	w, path := cases(t, 24), at+"/probes/finding"
	w.get(path).problem(404, "version_not_found")
	w.json(http.MethodPost, path+"/retrain", `{}`).want(200)
	w.get(path+"?version=9999").problem(404, "version_not_found")
	w.get(path+"?version=x").problem(400, "query_parameter")
	w.get(path+"/compare?a=9999").problem(404, "version_not_found")
	w.json(http.MethodPost, path+"/rollback", `{"version":9999}`).problem(422, "version_not_found")
	w.json(http.MethodPost, path+"/rollback", `{}`).problem(400, "json_invalid")
	w.json(http.MethodPost, at+"/probes/marks/retrain", `{}`).problem(422, "labels_insufficient")
	if p := w.get(at+"/probes/age").problem(422, "task_not_found"); !strings.Contains(p.Detail, "finding, marks") {
		t.Errorf("an unknown task: got %q, want those there are", p.Detail)
	}
}
