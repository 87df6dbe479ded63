package rest

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"nearcase/api"
)

// strictly decodes a query as decodeJSON does, and cut as decodeQuery does.
func strictly(text string) (q api.Query, err error) {
	err = decodeJSON(strings.NewReader(text), &q)
	return q, err
}

func cut(text string) (q api.Query, err error) {
	rest, vector := cutVector([]byte(text))
	err = decodeJSON(strings.NewReader(string(rest)), &q)
	if vector != nil {
		q.Vector = vector
	}
	return q, err
}

func TestAVectorIsCutFromItsQuery(t *testing.T) {
	for text, want := range map[string]string{
		`{"k":3,"vector":[1,-2.5e-1, 0.0 ,3E+2],"exact":true}`: `{"k":3,"vector":[1],"exact":true}`,
		" { \"vector\" :\n[ 1 , 2 ] } ":                        " { \"vector\" :\n[ 1 ] } ",
	} {
		if rest, vector := cutVector([]byte(text)); string(rest) != want || len(vector) < 2 {
			t.Errorf("cutVector(%s): got %s and %v, want %s", text, rest, vector, want)
		}
	}
	for _, text := range []string{
		``, `{}`, `{"vector":[]}`, `{"vector":[1]}`, `{"vector":[01,2]}`, `{"vector":[1,2,]}`, `{"vector":[1 2]}`, `{"vector":[1,2`, `{"vector":[1,+2]}`,
		`{"vector":[1,NaN]}`, `{"vector":[1,0x2]}`, `{"vector":[1,1e99]}`, `{"vector":[1,.5]}`, `{"vector":[1,2.]}`, `{"vector":[1,2e]}`, `{"vector":[1,_2]}`,
		`{"vector":[1,null]}`, `{"vector":[1,"2"]}`, `{"vector":"1,2"}`, `{"text":"vector"}`, `{"where":{"vector":[1,2]}}`, `[{"vector":[1,2]}]`,
		`{"text":"\"vector\":[1,2]"}`, `{"\"vector":[1,2]}`, `{"text":"{","where":{"vector":[1,2]}}`, `{"vector":[1,2],"vector":[3,4]}`, `{"vector":[1,2],"vector":null}`,
	} {
		if rest, vector := cutVector([]byte(text)); string(rest) != text || vector != nil {
			t.Errorf("cutVector(%s): got %s and %v, want nothing cut", text, rest, vector)
		}
	}
}

// A query reads the same with its vector cut out as without.
func FuzzVector(f *testing.F) {
	for _, seed := range []string{`{"vector":[1,2],"k":3}`, `{"vector":[1e2,-0.5]}`, `{"vector":[1,01]}`, `{"k":1,"vector":[1,2],"k":2}`, `{"text":"\\","vector":[1,2]}`,
		`{"where":{"a":["vector"]},"vector":[0,1]}`, `{"vector":[1,2]]}`, `{"vector":[1,2]}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(strings.ToLower(text), "vector") > 1 || strings.Contains(text, `\u`) {
			return // a key twice, perhaps
		}
		plain, err := strictly(text)
		got, cutErr := cut(text)
		if (err == nil) != (cutErr == nil) || err == nil && !reflect.DeepEqual(plain, got) {
			t.Errorf("%s: got %+v, %v, want %+v, %v", text, got, cutErr, plain, err)
		}
		if number([]byte(text)) == len(text) && text != "" && !json.Valid([]byte(text)) {
			t.Errorf("number(%s): got a number, which it is not", text)
		}
	})
}
