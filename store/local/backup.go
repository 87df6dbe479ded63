package local

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"

	"nearcase/store"
	"nearcase/store/backup"
	"nearcase/store/disk"
)

// copying keeps what reads the whole log and what exchanges it apart, and the logs
// of collections that are dropped meanwhile. The zero value is not ready.
type copying struct {
	turn chan struct{} // has a place for a backup, or for a compaction

	mu      sync.Mutex // guards what follows
	reads   bool       // a backup does
	dropped []uint32   // collections since it began
}

// copyTurn waits for the place of a backup or a compaction. done gives it back.
func (l *Catalog) copyTurn(ctx context.Context) (done func(), err error) {
	select {
	case l.copying.turn <- struct{}{}:
		return func() { <-l.copying.turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// dropLog removes the log of a dropped collection, but while it is being backed up
// only once that is over: Badger would take it out of what is read too. It runs in
// the writer.
func (l *Catalog) dropLog(number uint32) error {
	l.copying.mu.Lock()
	defer l.copying.mu.Unlock()
	if l.copying.reads {
		l.copying.dropped = append(l.copying.dropped, number)
		return nil
	}
	return l.dropKeys(logKeys(number))
}

// dropKeys removes all pairs whose keys begin so. Badger writes tables anew for that:
// where there is no room for them it is left to the next start.
func (l *Catalog) dropKeys(prefixes ...[]byte) error {
	if err := errors.Join(canOpen(), l.space.spare(l.space.needs)); err != nil {
		l.Logger.Warn("what dropped collections leave is not removed yet", "reason", err)
		return nil
	}
	err := l.wal.renew() // it makes tables
	if err == nil {
		err = errors.Join(l.db.DropPrefix(prefixes...), l.wal.renew())
	}
	if err != nil {
		return l.stop("remove what dropped collections leave", err)
	}
	return nil
}

// Backup implements store.Catalog. Nobody waits for it but another backup, Compact
// and what Drop leaves to be removed; what is deleted meanwhile keeps its place on
// the disk until it ends.
func (l *Catalog) Backup(ctx context.Context, w io.Writer, o store.BackupOptions) (store.Backup, error) {
	if err := l.open(ctx); err != nil {
		return store.Backup{}, err
	}
	ctx, done := l.untilClosed(ctx)
	defer done()
	free, err := l.copyTurn(ctx)
	if err != nil {
		return store.Backup{}, fmt.Errorf("back up: %w", err)
	}
	defer free()
	b := copier{l: l, o: o, sum: sha256.New(), base: baseOf(o.Base)}
	b.Backup = store.Backup{
		Format: store.BackupFormat, ID: cmp.Or(o.ID, store.NewBackupID(time.Now())), Program: o.Program, Created: time.Now().UTC(), Directory: format,
		Collections: []store.Point{}, Documents: []store.BackupFile{}, Derived: []store.BackupFile{}, Files: []store.BackupFile{}, Damages: []store.Finding{},
	}
	if o.Base != nil {
		b.Base = o.Base.ID
	}
	if err := errors.Join(b.run(ctx, w), b.end()); err != nil {
		return b.Backup, fmt.Errorf("back up: %w", err)
	}
	return b.Backup, nil
}

// base is what an incremental backup is since.
type base struct {
	*store.Backup                             // nil for none
	points        map[uint32]store.Point      // by number
	files         map[string]store.BackupFile // by name
}

func baseOf(b *store.Backup) base {
	of := base{b, map[uint32]store.Point{}, map[string]store.BackupFile{}}
	if b == nil {
		return of
	}
	for _, p := range b.Collections {
		of.points[p.Number] = p
	}
	for _, files := range [][]store.BackupFile{b.Documents, b.Derived, b.Files} {
		for _, f := range files {
			of.files[f.Name] = f
		}
	}
	return of
}

// copier is one call of Backup.
type copier struct {
	store.Backup
	l    *Catalog
	o    store.BackupOptions
	base base
	w    *backup.Writer

	// What is at the moment that is kept.
	db       *badger.DB
	txn      *badger.Txn
	logs     []*logAt
	pinned   []pinned
	derived  []openDerived
	sum      hash.Hash // of the pairs
	part     archived  // of the log
	kept     archived
	done, of int
}

// logAt is the log of a collection at the moment that is kept.
type logAt struct {
	store.Point
	entries   []store.Key // that there must be, ascending
	instances []store.Key // those that have a vector
	since     store.Key   // what comes after it is new; 0 is all
	blocks    []byte      // of the base
}

// pinned is an original that stays while it is to be copied.
type pinned struct {
	digest     string
	collection string
	key        store.Key
	isNew      bool // since the base
}

// openDerived is a file as it was at the moment that is kept.
type openDerived struct {
	name string // of the part
	disk.File
}

// archived are parts of the archive in the making.
type archived struct {
	kind string
	buf  []byte
	n    int
}

// fullPart is how many bytes of pairs make a part.
const fullPart = 4 << 20

func (b *copier) run(ctx context.Context, w io.Writer) (err error) {
	if b.w, err = backup.NewWriter(w, b.o.Recipients, b.Backup); err != nil {
		return err
	}
	b.part.kind, b.kept.kind = backup.Log, backup.KeptKeys
	for _, step := range []func(context.Context) error{
		b.lost,
		b.documents, // before the log: they may tell that something is in it
		func(ctx context.Context) error { return b.l.alone(ctx, b.at) },
		b.log, b.originals, b.copyDerived, b.files,
	} {
		if err := step(ctx); err != nil {
			b.w.Abandon()
			return err
		}
	}
	b.Ended = time.Now().UTC()
	b.Log = hex.EncodeToString(b.sum.Sum(nil))
	return b.w.Close(&b.Backup)
}

// at notes what there is at this moment, and keeps it. It runs in the writer.
func (b *copier) at() error {
	l := b.l
	l.copying.mu.Lock()
	l.copying.reads = true
	l.copying.mu.Unlock()
	b.Created = time.Now().UTC()
	b.db, b.txn = l.db, l.db.NewTransaction(false)
	all := l.all()
	seen := map[string]bool{}
	for _, c := range all {
		at := c.logAt()
		if before, ok := b.base.points[c.number]; ok {
			at.since, at.blocks = before.Head, before.Blocks
		}
		b.logs, b.pinned = append(b.logs, at), c.pin(b.pinned, seen, at.since)
		b.of += int(at.Head)
	}
	for number := range l.unreadable { // of these there is the log alone
		if err := b.atUnreadable(number); err != nil {
			return err
		}
	}
	slices.SortFunc(b.logs, func(x, y *logAt) int { return cmp.Compare(x.Number, y.Number) })
	b.of += len(b.pinned)
	if b.o.At != nil {
		b.o.At(b.Backup)
	}
	return b.openDerived(all)
}

// lost names what is known to be lost already.
func (b *copier) lost(ctx context.Context) error {
	all, err := b.l.Damages(ctx)
	for _, d := range all {
		b.Damage(store.Finding{Collection: d.Collection, What: d.What, Key: d.Key, Reason: d.Reason})
	}
	return err
}

// atUnreadable notes where the log is of a collection whose description is lost.
func (b *copier) atUnreadable(number uint32) error {
	c := newCollection(b.l, number, described{Collection: store.Collection{Name: fmt.Sprint("number ", number)}})
	head, err := c.lastInLog()
	at := c.logAt()
	at.Head = head
	if before, ok := b.base.points[number]; ok {
		at.since, at.blocks = before.Head, before.Blocks
	}
	b.logs, b.of = append(b.logs, at), b.of+int(head)
	return err
}

// logAt notes where the log is.
func (c *collection) logAt() *logAt {
	c.mu.RLock()
	defer c.mu.RUnlock()
	at := &logAt{Point: store.Point{Number: c.number, Name: c.meta.Name, Created: c.meta.Created, Head: c.last, Instances: len(c.rows)}}
	at.instances = c.live()
	at.entries = slices.Clone(at.instances)
	for _, s := range c.labels {
		at.entries = append(at.entries, s.keys...)
	}
	slices.Sort(at.entries)
	at.entries = slices.Compact(at.entries)
	return at
}

// pin keeps the originals of a collection that are not kept yet.
func (c *collection) pin(all []pinned, seen map[string]bool, since store.Key) []pinned {
	c.mu.RLock()
	defer c.mu.RUnlock()
	o := &c.catalog.originals
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, key := range c.order {
		i := c.rows[key]
		if i == nil {
			continue
		}
		if digest := c.original(i); digest != "" && !seen[digest] {
			seen[digest] = true
			o.pins[digest]++
			all = append(all, pinned{digest, c.meta.Name, key, key > since})
		}
	}
	return all
}

// end gives back what was kept.
func (b *copier) end() (err error) {
	for _, d := range b.derived {
		err = errors.Join(err, d.Close())
	}
	for _, p := range b.pinned {
		err = errors.Join(err, b.l.originals.unpin(p.digest))
	}
	if b.txn == nil {
		return err
	}
	b.txn.Discard()
	if left := b.l.alone(context.Background(), b.l.dropLogs); left != nil { // the next start does it
		b.l.copying.forget()
		b.l.Logger.Warn("logs of dropped collections are not removed yet", "reason", left)
	}
	return err
}

// forget gives up the logs of collections that were dropped.
func (c *copying) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads, c.dropped = false, nil
}

// dropLogs removes the logs of collections that were dropped during a backup.
func (l *Catalog) dropLogs() error {
	l.copying.mu.Lock()
	dropped := l.copying.dropped
	l.copying.reads, l.copying.dropped = false, nil
	l.copying.mu.Unlock()
	if len(dropped) == 0 {
		return nil
	}
	prefixes := make([][]byte, len(dropped))
	for i, number := range dropped {
		prefixes[i] = logKeys(number)
	}
	return l.dropKeys(prefixes...)
}

// tell tells how far the backup is.
func (b *copier) tell(more int) {
	b.done += more
	if b.o.Progress != nil {
		b.o.Progress(min(b.done, b.of), b.of)
	}
}

// add adds a pair to a part, which is written once it is full.
func (b *copier) add(p *archived, key, value []byte) error {
	if p.buf = backup.AppendPair(p.buf, key, value); len(p.buf) < fullPart {
		return nil
	}
	return b.flush(p)
}

// flush writes what is there of a part.
func (b *copier) flush(p *archived) error {
	if len(p.buf) == 0 {
		return nil
	}
	p.n++
	_, err := b.w.Put(fmt.Sprintf("%s%08d", p.kind, p.n), p.buf)
	p.buf = p.buf[:0]
	return err
}
