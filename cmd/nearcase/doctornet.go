package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"nearcase/api/client"
	"nearcase/api/rest"
)

// serverTimeout is how long a server may take to say what it is.
const serverTimeout = 5 * time.Second

// server asks a server what it is.
func (d *doctor) server(ctx context.Context, url string) finding {
	c, err := client.New(url, client.Options{Retries: -1})
	if err != nil {
		return broken("name a URL such as http://127.0.0.1:8417", "%v", err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	v, err := c.Version(ctx)
	if err != nil {
		return broken("start it, or mend the way there; its log says what it does", "%v", err)
	}
	return ok("%s answers: version %s", url, v["version"])
}

// address checks that the server could listen, or listens.
func (d *doctor) address(ctx context.Context) finding {
	l, err := net.Listen("tcp", d.c.Listen)
	if err == nil {
		_ = l.Close() // nothing was accepted
		return ok("%s is free", d.c.Listen)
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return broken("choose another by listen in the configuration", "%v", err)
	}
	if _, err := askHealth(ctx, localClient(), d.c.scheme()+reachable(d.c.Listen)+"/livez"); err == nil {
		return ok("%s answers as nearcase does", d.c.Listen)
	}
	return broken("stop what listens there, or choose another by listen in the configuration", "%s is in use by another program", d.c.Listen)
}

// expiresSoon is how long before its end a certificate had better be replaced.
const expiresSoon = 30 * 24 * time.Hour

// certificate checks those that the server shows.
func (d *doctor) certificate() finding {
	files := d.c.TLS
	if files.Certificate == "" {
		return unknown("tls.certificate names none; only this machine, or a proxy on it, can connect then")
	}
	pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		return broken("mend tls.certificate and tls.key, which must belong together", "%v", err)
	}
	if info, err := os.Stat(files.Key); err == nil && info.Mode().Perm()&0o077 != 0 {
		return broken("chmod 600 "+files.Key, "mode %#o lets other users read the key", info.Mode().Perm())
	}
	left := time.Until(pair.Leaf.NotAfter)
	text := fmt.Sprintf("for %s until %s", strings.Join(pair.Leaf.DNSNames, ", "), pair.Leaf.NotAfter.UTC().Format(time.DateOnly))
	switch {
	case left < 0:
		return broken("replace it and send the server SIGHUP", "%s: it has expired", text)
	case time.Until(pair.Leaf.NotBefore) > 0:
		return broken("set the clock, or use a certificate that is valid", "%s: it is not valid yet", text)
	case left < expiresSoon:
		return warning("replace it and send the server SIGHUP", "%s: it expires soon", text)
	}
	return ok("%s", text)
}

// exposure checks that others can reach the server only with keys.
func (d *doctor) exposure() finding {
	if rest.CheckListen(d.c.Listen) == nil {
		return ok("%s can be reached from this machine alone", d.c.Listen)
	}
	if d.c.scheme() == "http://" && !d.c.TLS.TerminatedByProxy {
		return broken("name tls.certificate and tls.key, or set tls.terminated_by_proxy if a proxy in front has them", "%s can be reached by others, who would send keys in the clear", d.c.Listen)
	}
	return ok("%s can be reached by others; the server asks them for keys, and does not start without any", d.c.Listen)
}
