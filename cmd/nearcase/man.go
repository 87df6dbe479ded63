package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type manCommand struct{}

func (manCommand) Help() string {
	return `The manual page as man reads it; deploy/nearcase.1 is a copy.

  nearcase man | man -l -`
}

func (manCommand) Run(k *kong.Context, s *session) error { return writeManual(s.stdout, k.Model) }

// writeManual writes the manual page of the program: every command with its help.
// See man(7) for its language.
func writeManual(w io.Writer, app *kong.Application) error {
	p := &page{}
	p.line(`.TH NEARCASE 1`)
	p.heading("NAME")
	p.line(`nearcase \- a case library for medical images`)
	p.heading("SYNOPSIS")
	p.line(`.B nearcase`, `.I COMMAND`, `.RI [ OPTION ...]`)
	p.heading("DESCRIPTION")
	p.text(app.Help)
	p.heading("OPTIONS OF EVERY COMMAND")
	p.flags(app.Node.Flags)
	p.heading("COMMANDS")
	for _, n := range app.Leaves(true) {
		p.command(n)
	}
	p.heading("ENVIRONMENT")
	p.text("Every key of the configuration can be given by a variable: NEARCASE_ and the key in capitals, such as NEARCASE_DATA or " +
		"NEARCASE_VOTES_NEIGHBOURS. A flag wins over the environment, which wins over the file. nearcase config tells where each value comes from.")
	p.heading("EXIT STATUS")
	p.text("0 for success, 1 for an error, 2 for wrong usage.")
	_, err := io.WriteString(w, p.b.String())
	return err
}

// page is a manual page in the making.
type page struct{ b strings.Builder }

func (p *page) line(lines ...string) {
	for _, l := range lines {
		p.b.WriteString(l + "\n")
	}
}

func (p *page) heading(name string) { p.line(".SH " + name) }

// roff is a text that means nothing else to the formatter, in ASCII.
func roff(text string) string {
	var b strings.Builder
	for _, r := range strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text) {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		}
	}
	text = b.String()
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// text writes paragraphs, and indented lines as they are.
func (p *page) text(text string) {
	verbatim := false
	for l := range strings.Lines(strings.TrimSpace(text)) {
		l = strings.TrimRight(l, " \n")
		if is := strings.HasPrefix(l, "  "); is != verbatim && l != "" {
			verbatim = is
			p.line(map[bool]string{true: ".RS 4\n.nf", false: ".fi\n.RE"}[is])
		}
		switch {
		case l == "" && verbatim:
		case l == "":
			p.line(".PP")
		default:
			p.line(roff(strings.TrimPrefix(l, "  ")))
		}
	}
	if verbatim {
		p.line(".fi", ".RE")
	}
}

// command writes what there is to know of one command.
func (p *page) command(n *kong.Node) {
	p.line(".SS " + roff(strings.TrimPrefix(n.FullPath(), "nearcase ")+arguments(n)))
	p.text(n.Help)
	if n.Detail != "" {
		p.line(".PP")
		p.text(n.Detail)
	} else if n.Parent != nil && n.Parent.DefaultCmd == n { // its group's help has its examples
		p.line(".PP")
		p.text(n.Parent.Detail)
	}
	for _, a := range n.Positional {
		p.item(a.Summary(), a.Help)
	}
	p.flags(n.Flags)
}

func arguments(n *kong.Node) (text string) {
	for _, a := range n.Positional {
		text += " " + a.Summary()
	}
	return text
}

func (p *page) flags(flags []*kong.Flag) {
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		name := "--" + f.Name
		if f.Short != 0 {
			name = fmt.Sprintf("-%c, %s", f.Short, name)
		}
		if !f.IsBool() && !f.IsCounter() {
			name += "=" + f.FormatPlaceHolder()
		}
		p.item(name, f.Help)
	}
}

// item writes one option with what it does.
func (p *page) item(name, help string) {
	p.line(".TP", ".B "+roff(name), roff(help))
}
