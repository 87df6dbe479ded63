package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"nearcase/store"
)

// rowsFormat is the version of a rows file.
const rowsFormat = 1

const rowsSuffix = ".rows"

// rowsHead ties a rows file to a collection and to a position in its log: it has
// the instances and what is said of them as of log entry Head.
type rowsHead struct {
	snapshotMeta
	LastLabel store.Key   `json:"last_label"`
	Deleted   int         `json:"deleted"`
	Pieces    []rowsPiece `json:"pieces"`
}

// rowsPiece is a part of a rows file, with the CRC-32C of its bytes.
type rowsPiece struct {
	Bytes int    `json:"bytes"`
	Rows  int    `json:"rows"`
	Sum   uint32 `json:"sum"`
}

// instanceRow is an instance and what has been said of it, nil for nothing. Of labels
// whose instance is not there the key is 0, and the instance has only an ID.
type instanceRow struct {
	key      store.Key
	instance *store.Instance
	said     *said
}

func (c *collection) rowsPath() string {
	return filepath.Join(c.catalog.snapshots(), strconv.FormatUint(uint64(c.number), 10)+rowsSuffix)
}

func (c *collection) removeRows() error {
	if err := c.catalog.files.remove(c.rowsPath()); err != nil {
		return fmt.Errorf("remove rows file: %w", err)
	}
	return nil
}

// forsakeRows removes the rows file, and sees to it that none that is being saved
// stays: another is to be made, without what it names. It runs in the writer.
func (c *collection) forsakeRows() error {
	c.mu.Lock()
	c.rowsAt = 0
	c.forsaken++
	c.mu.Unlock()
	return c.removeRows()
}

// frozenRows are the rows of a collection on their way into a file.
type frozenRows struct {
	head     rowsHead
	rows     []instanceRow
	forsaken int
}

// freezeRows captures the rows at the log's head, and not the index. It runs in the
// writer, or when that has ended.
func (c *collection) freezeRows() (frozen, error) {
	if err := c.gone(); err != nil {
		return frozen{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := frozenRows{rows: make([]instanceRow, 0, len(c.rows)), forsaken: c.forsaken, head: rowsHead{
		snapshotMeta: snapshotMeta{rowsFormat, c.number, c.meta.Fingerprint, c.meta.Created, c.last},
		LastLabel:    c.lastLabel, Deleted: c.deleted,
	}}
	spoken := 0
	for _, key := range c.order {
		if i := c.rows[key]; i != nil {
			s := c.labels[i.ID].clone()
			f.rows = append(f.rows, instanceRow{key, i, s})
			if s != nil {
				spoken++
			}
		}
	}
	if spoken < len(c.labels) {
		f.rows = append(c.loose(), f.rows...)
	}
	// Counted anew from here, whether saving succeeds or has to wait for more.
	c.rowsAt = c.last
	return frozen{rows: f}, nil
}

// clone copies what goes on changing.
func (s *said) clone() *said {
	if s == nil {
		return nil
	}
	return &said{current: slices.Clone(s.current), keys: slices.Clip(s.keys)}
}

// loose are the labels whose instance is not there, by ID. The caller holds the
// lock.
func (c *collection) loose() (all []instanceRow) {
	for id, s := range c.labels {
		if _, ok := c.ids[id]; !ok {
			all = append(all, instanceRow{0, &store.Instance{ID: id}, s.clone()})
		}
	}
	slices.SortFunc(all, func(a, b instanceRow) int { return strings.Compare(a.instance.ID, b.instance.ID) })
	return all
}

// saveRows writes frozen rows. The caller has the place in building.
func (c *collection) saveRows(f frozenRows) error {
	err := c.catalog.files.replace(c.rowsPath(), func(to io.WriterAt) error { return f.write(to) })
	if err != nil {
		return fmt.Errorf("save rows: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped || c.forsaken != f.forsaken { // since they were frozen
		return c.removeRows()
	}
	return nil
}

// needsRows reports whether the rows have changed enough for the occasion. What the
// log has lost is not among them: see settle.
func (c *collection) needsRows(o occasion) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.rows) >= minSnapshot && o.due(len(c.rows), int(c.last-c.rowsAt))
}

// takeRows shows the rows of the collection's file to the empty collection. A file
// that cannot be used is removed: what it was made from is all there.
func (c *collection) takeRows() {
	head, rows, err := c.readRows()
	if err == nil {
		err = c.fill(head, rows)
	}
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist):
	default:
		c.giveUpRows(err)
	}
}

// giveUpRows says why the rows file is not used, and removes it.
func (c *collection) giveUpRows(reason error) {
	err := c.removeRows()
	c.catalog.Logger.Warn("rows file not used: the rows are read from the log",
		"collection", c.meta.Name, "reason", errors.Join(reason, err))
}

// readRows reads and verifies the rows file.
func (c *collection) readRows() (h rowsHead, rows []instanceRow, err error) {
	f, err := c.catalog.files.open(c.rowsPath())
	if err != nil {
		return h, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return h, nil, err
	}
	if h, err = readRowsHead(f, info.Size()); err != nil {
		return h, nil, err
	}
	if err := c.checkHead(h.snapshotMeta, rowsFormat); err != nil {
		return h, nil, err
	}
	rows, err = h.read(f)
	return h, rows, err
}
