package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

const (
	partial = ".part" // what has come of a file so far
	tagged  = ".etag" // which version of the file that is of
	// progressBytes is how much an attempt must bring to count as progress.
	progressBytes = 1 << 20
)

// address is where a plan's file is.
func (c *client) address(p Plan, f File) string {
	if p.address != "" {
		return p.address
	}
	u := c.base.JoinPath(p.Repository, "resolve").String() + "/" + url.PathEscape(p.Commit)
	for s := range strings.SplitSeq(f.Path, "/") {
		u += "/" + url.PathEscape(s)
	}
	return u
}

func (c *client) fetch(ctx context.Context, p Plan, f File, path string, count func(int64)) (pieced bool, err error) {
	d := &download{client: c, file: f, address: c.address(p, f), path: path + partial, tag: path + tagged, count: count}
	if err := c.persist(ctx, func() (bool, error) { return d.attempt(ctx) }); err != nil {
		return d.pieced, fmt.Errorf("%s: %w%s", f.Path, err, c.advice(err, p.Page))
	}
	if err := os.Rename(d.path, path); err != nil {
		return d.pieced, err
	}
	return d.pieced, ignoreMissing(os.Remove(d.tag))
}

// advice is what to do about an error of access.
func (c *client) advice(err error, page string) string {
	switch {
	case !errors.Is(err, ErrAccess):
		return ""
	case c.Token == "":
		return fmt.Sprintf("; accept its terms at %s and give a token by HF_TOKEN or hub.token", page)
	}
	return fmt.Sprintf("; the account of the token has not been given access at %s", page)
}

// download is one file on its way.
type download struct {
	*client
	file       File
	address    string
	path, tag  string
	count      func(int64)
	counted    int64 // bytes that count has been told of
	part       *os.File
	have, most int64 // bytes of part, and those it may get
	pieced     bool  // whether part is of several answers
}

// attempt asks for what is missing and appends it to the part.
func (d *download) attempt(ctx context.Context) (progress bool, err error) {
	if d.part, err = os.OpenFile(d.path, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, d.part.Close()) }()
	header, err := d.header()
	if err != nil {
		return false, err
	}
	d.pieced = d.have > 0
	d.tell(d.have)
	if d.file.Bytes >= 0 && d.have == d.file.Bytes {
		return false, nil
	}
	alive := newPulse(ctx, d.Stall)
	defer alive.stop()
	response, err := d.get(alive.ctx, d.address, header)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if err := d.begin(response); err != nil {
		return false, err
	}
	before := d.have
	err = d.take(alive, response.Body)
	return d.have-before >= progressBytes, err
}

// header finds out how much of the file there is and asks for the rest. Without
// the file's digest or its version, what there is cannot be told from another
// file's beginning.
func (d *download) header() (http.Header, error) {
	info, err := d.part.Stat()
	if err != nil {
		return nil, err
	}
	d.have, d.most = info.Size(), d.Bytes
	if d.file.Bytes >= 0 {
		d.most = d.file.Bytes
	}
	etag, err := os.ReadFile(d.tag)
	if ignoreMissing(err) != nil {
		return nil, err
	}
	if d.have > d.most || d.have > 0 && !d.file.known() && len(etag) == 0 {
		if err := d.restart(); err != nil {
			return nil, err
		}
	}
	h := http.Header{}
	if d.have > 0 {
		h.Set("Range", fmt.Sprintf("bytes=%d-", d.have))
		if len(etag) > 0 {
			h.Set("If-Range", string(etag))
		}
	}
	return h, nil
}

func (d *download) restart() error {
	d.have, d.pieced = 0, false
	return errors.Join(d.part.Truncate(0), ignoreMissing(os.Remove(d.tag)))
}

// begin checks that a response continues the part, or starts it anew.
func (d *download) begin(r *http.Response) error {
	if r.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return errors.Join(d.restart(), broken{err: fmt.Errorf("%s has fewer bytes than have come", r.Request.URL.Host)})
	}
	if isPage(r) {
		return errPage(r)
	}
	if r.StatusCode == http.StatusPartialContent {
		var from, to, total int64
		n, _ := fmt.Sscanf(r.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &total)
		if n < 2 || from != d.have || n == 3 && d.file.Bytes >= 0 && total != d.file.Bytes {
			return errors.Join(d.restart(), broken{err: fmt.Errorf("%s sends another part than was asked for", r.Request.URL.Host)})
		}
	} else if err := d.anew(r); err != nil {
		return err
	}
	if n := r.ContentLength; n >= 0 && d.file.Bytes >= 0 && d.have+n != d.file.Bytes {
		return fmt.Errorf("%w: the file has %d bytes, %s sends %d", ErrAnswer, d.file.Bytes, r.Request.URL.Host, d.have+n)
	}
	return nil
}

// anew begins the part and remembers of which version it is. A weak version says
// nothing about bytes (RFC 9110, 8.8.3).
func (d *download) anew(r *http.Response) error {
	if err := d.restart(); err != nil {
		return err
	}
	tag := r.Header.Get("ETag")
	if tag == "" || strings.HasPrefix(tag, "W/") || len(tag) > 200 || strings.ContainsFunc(tag, isControl) {
		return nil
	}
	return os.WriteFile(d.tag, []byte(tag), 0o644)
}

// take appends a body to the part.
func (d *download) take(alive *pulse, body io.Reader) error {
	if _, err := d.part.Seek(d.have, io.SeekStart); err != nil {
		return err
	}
	source := &reads{Reader: alive.reader(body)}
	_, err := io.Copy(countWriter{d}, io.LimitReader(source, d.most-d.have+1))
	switch {
	case d.have > d.most:
		return errors.Join(fmt.Errorf("%w: more than %d bytes come", ErrTooLarge, d.most), d.restart())
	case source.err != nil:
		return failure(alive.ctx, source.err)
	case err != nil:
		return err
	case d.file.Bytes >= 0 && d.have < d.file.Bytes:
		return broken{err: fmt.Errorf("%w: %d of %d bytes came", io.ErrUnexpectedEOF, d.have, d.file.Bytes)}
	}
	return d.part.Sync()
}

// reads remembers the error of a reader, to tell it from the writer's.
type reads struct {
	io.Reader
	err error
}

func (r *reads) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

type countWriter struct{ *download }

func (w countWriter) Write(b []byte) (int, error) {
	n, err := w.part.Write(b)
	w.have += int64(n)
	w.tell(w.have)
	return n, err
}

// tell brings count up to n bytes of this file.
func (d *download) tell(n int64) {
	d.count(n - d.counted)
	d.counted = n
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
