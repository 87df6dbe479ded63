package local

// OpenChoosing is Open with another rule for which engine a collection gets that
// leaves it to the program.
func OpenChoosing(dir string, o Options, choose func(n, dimension int) string) (*Catalog, error) {
	o.choose = choose
	return Open(dir, o)
}

// Upkeep does now what the maintenance does after commits.
func (l *Catalog) Upkeep() { l.upkeep(busy) }

// UpkeepWhenQuiet does now what the maintenance does after a while without any.
func (l *Catalog) UpkeepWhenQuiet() { l.upkeep(quiet) }

// Dir is where the catalog keeps its data.
func (l *Catalog) Dir() string { return l.dir }
