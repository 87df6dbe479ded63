package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxListing = 32 << 20
	maxFiles   = 100_000
)

// repository is the hub's answer about one: of its interface, what is needed here.
type repository struct {
	SHA      string          `json:"sha"`
	Gated    json.RawMessage `json:"gated"` // false, "auto" or "manual"
	Tags     []string        `json:"tags"`
	Card     json.RawMessage `json:"cardData"`
	Siblings []sibling       `json:"siblings"`
}

type sibling struct {
	Path string `json:"rfilename"`
	Size *int64 `json:"size"`
	Blob string `json:"blobId"`
	LFS  *struct {
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
	} `json:"lfs"`
}

// list asks for the files of a revision with their sizes and digests.
func (c *client) list(ctx context.Context, repository, revision string) (listing, error) {
	address := c.base.JoinPath("api", "models", repository, "revision").String() + "/" + url.PathEscape(revision) + "?blobs=true"
	var body []byte
	err := c.persist(ctx, func() (_ bool, err error) {
		body, err = c.read(ctx, address)
		return false, err
	})
	page := bare(c.base.JoinPath(repository).String())
	if err != nil {
		return listing{}, fmt.Errorf("%w%s", err, c.advice(err, page))
	}
	l, err := parseListing(body)
	l.page = page
	return l, err
}

// read returns a small body.
func (c *client) read(ctx context.Context, address string) ([]byte, error) {
	alive := newPulse(ctx, c.Stall)
	defer alive.stop()
	response, err := c.get(alive.ctx, address, http.Header{"Accept": {"application/json"}})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(alive.reader(response.Body), maxListing+1))
	switch {
	case err != nil:
		return nil, failure(alive.ctx, err)
	case len(body) > maxListing:
		return nil, fmt.Errorf("%w: a list of more than %d bytes", ErrTooLarge, maxListing)
	case isPage(response):
		return nil, errPage(response)
	}
	return body, nil
}

// isPage reports whether a response is a page for people: a login or an error of
// something on the way that says 200.
func isPage(r *http.Response) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Type"))), "text/html")
}

func errPage(r *http.Response) error {
	return fmt.Errorf("%w: %s sends a web page instead: is there a proxy or a login on the way?", ErrAnswer, r.Request.URL.Host)
}

// parseListing reads the hub's answer. Names are checked where files are chosen.
func parseListing(body []byte) (listing, error) {
	var r repository
	if err := json.Unmarshal(body, &r); err != nil {
		return listing{}, fmt.Errorf("%w: no list of files: %w", ErrAnswer, err)
	}
	if len(r.Siblings) > maxFiles {
		return listing{}, fmt.Errorf("%w: %d files, the limit is %d", ErrTooLarge, len(r.Siblings), maxFiles)
	}
	if !isHex(r.SHA, 40) {
		return listing{}, fmt.Errorf("%w: commit %.80q", ErrAnswer, r.SHA)
	}
	l := listing{commit: r.SHA, licence: r.licence(), gated: len(r.Gated) > 0 && string(r.Gated) != "false" && string(r.Gated) != "null"}
	for _, s := range r.Siblings {
		f, err := s.file()
		if err != nil {
			return listing{}, err
		}
		l.files = append(l.files, f)
	}
	return l, nil
}

// file returns a sibling with the digest that the hub gives it: that of large
// files is their SHA-256, that of others git's.
func (s sibling) file() (File, error) {
	f := File{Path: s.Path, Bytes: -1}
	if s.Size != nil {
		f.Bytes = *s.Size
	}
	if s.LFS != nil {
		f.SHA256, f.Bytes = strings.ToLower(s.LFS.SHA256), s.LFS.Size
	} else {
		f.Blob = strings.ToLower(s.Blob)
	}
	if f.SHA256 != "" && !isHex(f.SHA256, 64) || f.Blob != "" && !isHex(f.Blob, 40) || f.Bytes < -1 {
		return f, fmt.Errorf("%w: file %.80q has %d bytes and the digest %.80q", ErrAnswer, f.Path, f.Bytes, f.SHA256+f.Blob)
	}
	return f, nil
}

// licence is what the model's card says, or its tags.
func (r repository) licence() string {
	var card struct {
		Licence json.RawMessage `json:"license"`
		Name    string          `json:"license_name"`
	}
	_ = json.Unmarshal(r.Card, &card) // a card that is none tells nothing
	var one string
	var several []string
	if json.Unmarshal(card.Licence, &one) != nil && json.Unmarshal(card.Licence, &several) == nil {
		one = strings.Join(several, ", ")
	}
	if one == "other" && card.Name != "" {
		return card.Name
	}
	for _, tag := range r.Tags {
		if l, ok := strings.CutPrefix(tag, "license:"); ok && one == "" {
			one = l
		}
	}
	return one
}
