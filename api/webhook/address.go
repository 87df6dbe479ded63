package webhook

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Networks are those beyond the public ones that messages may go to. None means
// that only public addresses may be reached: a private one is that of another
// machine behind the same firewall, and a loopback one this machine's own.
type Networks []netip.Prefix

// special are the networks of no public host beside those that netip knows:
// https://www.iana.org/assignments/iana-ipv4-special-registry and its like for
// IPv6, of which those that carry IPv4 addresses inside are left out too.
func special() []netip.Prefix {
	var all []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
	} {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// isPublic reports whether an address may be that of any host on the internet.
func isPublic(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(special(), func(p netip.Prefix) bool { return p.Contains(a) })
}

// Check returns ErrAddress for an address that must not be reached.
func (n Networks) Check(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	if isPublic(a) || slices.ContainsFunc(n, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return nil
	}
	return fmt.Errorf("%w: %s is not public, and not in a network that the configuration allows", ErrAddress, a)
}

// maxURL is how long an address may be.
const maxURL = 2048

// CheckURL reports what is wrong with the address of a receiver. It is of https, or
// of http for the loopback, and has neither a user nor a fragment. Where it leads
// to is known when it is dialled, and checked then; a literal address is checked
// here too.
func (n Networks) CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxURL || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return fmt.Errorf("%w: use one such as https://host/path, without a user or a fragment, of at most %d bytes", ErrURL, maxURL)
	}
	a, literal := netip.ParseAddr(u.Hostname())
	loopback := strings.EqualFold(u.Hostname(), "localhost") || literal == nil && a.Unmap().IsLoopback()
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback):
		return fmt.Errorf("%w: it begins with %.20q, use https:// (http:// for the loopback alone)", ErrURL, u.Scheme)
	case literal == nil:
		return n.Check(a)
	}
	return nil
}
