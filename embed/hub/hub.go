// Package hub fetches models into a models folder: from the Hugging Face hub or
// a mirror of it, from an HTTPS address of one ONNX file, or from a folder laid
// out like the hub. What it fetches is checked against the hub's own digests and
// appears whole or not at all.
//
//	plan, err := hub.Resolve(ctx, "clip-vit-b32", hub.Options{})
//	record, err := hub.Pull(ctx, plan, "models", "clip-vit-b32", hub.Options{})
//
// Servers are not trusted: answers, sizes and names are bounded and checked. A
// token goes to the endpoint's host and to no other, whatever redirects say.
package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// What can be wrong with a pull. Errors carry one of them and say what was found.
var (
	ErrSource   = errors.New("not a source of models")
	ErrInsecure = errors.New("refused for safety")
	ErrNotFound = errors.New("not found")
	ErrAccess   = errors.New("no access")
	ErrAnswer   = errors.New("the server's answer cannot be used")
	ErrNetwork  = errors.New("the download does not get through")
	ErrDigest   = errors.New("wrong digest")
	ErrTooLarge = errors.New("too large")
	ErrExists   = errors.New("the model exists already")
	ErrBusy     = errors.New("another process is fetching this model")
	ErrName     = errors.New("not a model's name")
)

// Endpoint is the hub that is asked unless Options name another.
const Endpoint = "https://huggingface.co"

// Options say how to fetch. The zero value fetches from the public hub.
type Options struct {
	// Endpoint is the address of a hub or a mirror of it (https, or http on this
	// machine), or a folder that holds repositories as {repository}/{path}, by
	// its path or as file://. Empty means Endpoint.
	Endpoint string
	// Token authenticates at the endpoint; empty means anonymous.
	Token string
	// Revision is a branch, tag or commit; empty means what the source or the
	// catalogue says, and main where they do not.
	Revision string
	// File is the ONNX graph to take, such as onnx/model_fp16.onnx, where a
	// repository has several; empty means the usual one.
	File string
	// SHA256 is what the graph must have, in lower-case hex; empty means what the
	// catalogue or the hub says.
	SHA256 string
	// Extra are small files to put beside the fetched ones, by their names; they
	// take the place of fetched ones of the same name.
	Extra map[string][]byte
	// Force replaces an existing model.
	Force bool
	// Bytes is the most that a model may have; 0 means 16 GiB.
	Bytes int64
	// Stall is how long nothing may arrive before a connection is given up and
	// tried again; 0 means 30 s. There is no limit to the whole.
	Stall time.Duration
	// Attempts is how often a request is tried in a row without progress; 0 means 6.
	Attempts int
	// External tells which files hold the data of the graph at a path outside of it,
	// slash-separated and relative to the graph's folder, so that those are fetched.
	// nil takes the files whose names say that they do.
	External func(path string) ([]string, error)
	// Check is asked about the complete folder before it takes its place.
	Check func(folder string) error
	// Progress is told how many bytes of how many there are; total is -1 where
	// the server does not say.
	Progress func(done, total int64)

	// TLS and Proxy are for servers with certificates of their own and for proxies
	// that the environment does not name; nil means the system's certificates and
	// HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
	TLS   *tls.Config
	Proxy func(*http.Request) (*url.URL, error)
	// Backoff returns how long to wait before the n-th further attempt; nil means
	// 1 s, doubled each time up to 30 s.
	Backoff func(n int) time.Duration
}

const (
	defaultBytes    = 16 << 30
	defaultStall    = 30 * time.Second
	defaultAttempts = 6
	maxSetting      = 64 << 20 // bytes of a file that is no graph and no graph's data
)

func (o Options) withDefaults() Options {
	if o.Endpoint == "" {
		o.Endpoint = Endpoint
	}
	o.Token = strings.TrimSpace(o.Token)
	if o.Bytes <= 0 {
		o.Bytes = defaultBytes
	}
	if o.Stall <= 0 {
		o.Stall = defaultStall
	}
	if o.Attempts <= 0 {
		o.Attempts = defaultAttempts
	}
	if o.Proxy == nil {
		o.Proxy = http.ProxyFromEnvironment
	}
	if o.Backoff == nil {
		o.Backoff = func(n int) time.Duration { return min(time.Second<<min(n-1, 10), 30*time.Second) }
	}
	return o
}

// File is one file of a model.
type File struct {
	// Path is slash-separated and stays within the model's folder.
	Path string `json:"path"`
	// Bytes is -1 where it is not known before the file has come.
	Bytes int64 `json:"bytes"`
	// SHA256 in lower-case hex; in a Plan it is empty where nobody knows it, in a
	// Record it is that of the file.
	SHA256 string `json:"sha256,omitempty"`
	// Blob is the SHA-1 that git gives the file: of "blob <length>\0" and its bytes.
	Blob string `json:"git_blob,omitempty"`

	guessed bool // whether its name alone says that it is a graph's data
}

// known reports whether the file's bytes can be told right from wrong.
func (f File) known() bool { return f.SHA256 != "" || f.Blob != "" }

// Plan is what a pull will fetch, and under which terms.
type Plan struct {
	Source     string `json:"source"`               // as it was asked for, without secrets
	Name       string `json:"name"`                 // that the model gets unless told otherwise
	Repository string `json:"repository,omitempty"` // empty for the address of a file and for this machine's
	Page       string `json:"page,omitempty"`       // where people read about it
	Revision   string `json:"revision,omitempty"`   // as it was asked for
	Commit     string `json:"commit,omitempty"`     // what that is now; the files are this commit's
	Licence    string `json:"licence,omitempty"`    // empty where neither the hub nor the catalogue tells
	Gated      bool   `json:"gated"`                // whether its owner asks for consent on Page
	Files      []File `json:"files"`

	// Entry is the catalogue's, nil for other sources.
	Entry *Entry `json:"catalogue,omitempty"`

	from    origin
	address string                          // of the file where that is the source
	find    func(name string) (File, error) // ErrNotFound for what the source has not
	earlier *Record                         // of the folder of this machine that is the source
}

// Bytes is the sum of the files' sizes, -1 where one is not known.
func (p Plan) Bytes() int64 {
	sum := int64(0)
	for _, f := range p.Files {
		if f.Bytes < 0 {
			return -1
		}
		sum += f.Bytes
	}
	return sum
}

// origin is where files come from.
type origin interface {
	// list returns the repository's files and terms.
	list(ctx context.Context, repository, revision string) (listing, error)
	// fetch makes the file at path, which does not exist, and resumes what an
	// earlier fetch left beside it. count is told of bytes as they come, and of
	// fewer where some have to come again. pieced tells whether the file was put
	// together from several answers.
	fetch(ctx context.Context, p Plan, f File, path string, count func(int64)) (pieced bool, err error)
}

// listing is what an origin tells of a repository.
type listing struct {
	commit, licence, page string
	gated                 bool
	files                 []File
}
