package local

// DefaultMemory is what the log takes of memory, about, where Options say nothing.
const DefaultMemory = 128 << 20

// Bounds of a table of the log in memory. The smallest takes a commit of the largest
// record, the largest those that come together.
const (
	leastTable = 8 << 20
	mostTable  = 32 << 20
)

// bounds are what Badger may take.
type bounds struct {
	// table is the size of a table in memory, of which there are three at most.
	table      int64
	cache      int64 // of blocks that have been read
	compactors int
}

// boundsOf divides memory: three tables and what they are made into, and a cache.
func boundsOf(memory int64) bounds {
	if memory <= 0 {
		memory = DefaultMemory
	}
	b := bounds{table: min(max(memory/4, leastTable), mostTable), cache: min(max(memory/8, 1<<20), 16<<20), compactors: 4}
	if memory < DefaultMemory/2 {
		b.compactors = 2
	}
	return b
}

// group is how many bytes one commit has at most, well under Badger's own bound of
// 15% of a table.
func (b bounds) group() int { return int(b.table / 8) }

// ahead is how many bytes of a file are reserved at once, more than one commit has.
func (b bounds) ahead() int64 { return b.table / 4 }

// maxTables is how many there may be that are not merged.
const maxTables = 10_000

// room is what the log may take of the disk of a sudden: tables that are written, and
// those of the first levels that are merged with them before they go.
func (b bounds) room() int64 { return 8 * b.table }
