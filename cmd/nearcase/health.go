package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

type healthCommand struct {
	Live bool `help:"Ask whether it lives, and not whether it is ready."`
}

func (healthCommand) Help() string {
	return `Asks the server of --server, or the one that listens as the configuration says,
whether it is ready. The exit status is 1 if it is not, or does not answer.

  nearcase health
  nearcase health --live --server http://127.0.0.1:8417`
}

// healthTimeout is how long the server may take to answer.
const healthTimeout = 5 * time.Second

// health is what a server says of itself.
type health struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks,omitempty"`
}

func (h healthCommand) Run(ctx context.Context, s *session) error {
	url, ask := s.Server, &http.Client{}
	defer ask.CloseIdleConnections()
	if url == "" {
		c, err := s.configuration()
		if err != nil {
			return err
		}
		url = c.scheme() + reachable(c.Listen)
		ask = localClient()
	}
	route := "/readyz"
	if h.Live {
		route = "/livez"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	answer, err := askHealth(ctx, ask, strings.TrimRight(url, "/")+route)
	if err != nil {
		return err
	}
	return s.print(answer, func(w io.Writer) { fmt.Fprintln(w, answer.Status) })
}

// localClient asks a server of this machine for its health, and nothing else. Its
// certificate is for the name that others call the machine by, and not for the
// loopback.
func localClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

// askHealth asks one route of a server's health. What it refuses with is an error.
func askHealth(ctx context.Context, ask *http.Client, url string) (answer health, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer, err
	}
	response, err := ask.Do(request)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return answer, err
	}
	if response.StatusCode != http.StatusOK {
		var refused struct{ Title, Detail string }
		_ = json.Unmarshal(body, &refused) // of another program perhaps
		return answer, fmt.Errorf("%s: %d %s: %s", url, response.StatusCode, refused.Title, refused.Detail)
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return answer, fmt.Errorf("%s does not answer as nearcase does: %w", url, err)
	}
	return answer, nil
}

// reachable is an address to ask a server by that listens on another: that of the
// loopback where it listens on all.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err != nil || host != "" && (ip == nil || !ip.IsUnspecified()) {
		return listen
	}
	return net.JoinHostPort("127.0.0.1", port)
}
