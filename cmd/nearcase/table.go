package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// tabular prints aligned columns.
type tabular struct{ w *tabwriter.Writer }

func table(w io.Writer, header ...any) tabular {
	t := tabular{tabwriter.NewWriter(w, 2, 4, 2, ' ', 0)}
	if len(header) > 0 {
		t.row(header...)
	}
	return t
}

// row adds a line. Control characters in cells are shown, not obeyed: names
// come from files.
func (t tabular) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = strings.Map(printable, fmt.Sprint(c))
	}
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(texts, "\t"), "\t "))
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return '·'
	}
	return r
}

func (t tabular) flush() { t.w.Flush() }
