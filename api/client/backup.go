package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"nearcase/api"
	"nearcase/api/problem"
)

// Backup writes a backup of all that the server has stored. The server does not tell
// how far it is. One that the server gives up in the middle is an error, and what was
// written then is worth nothing.
func (c *Client) Backup(ctx context.Context, w io.Writer, q api.BackupRequest, _ func(done, total int)) (api.BackupRecord, error) {
	r := request{method: http.MethodGet, path: []string{"v1", "backup"}, query: url.Values{}}
	if q.Since != "" {
		r.query.Set("since", q.Since)
	}
	if q.Incremental {
		r.query.Set("incremental", "true")
	}
	if len(q.Recipients) > 0 {
		r.query.Set("recipients", strings.Join(q.Recipients, ","))
	}
	answer, err := c.send(ctx, r)
	if err != nil {
		return api.BackupRecord{}, err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(w, answer.Body); err != nil {
		return api.BackupRecord{}, fmt.Errorf("back up: %w", err)
	}
	return c.DescribeBackup(ctx, answer.Header.Get("Nearcase-Backup"))
}

// BackupFolder has the server make a backup in its folder for backups, in a job of the
// server.
func (c *Client) BackupFolder(ctx context.Context, incremental bool) (api.Job, error) {
	j, err := tell[problem.Job](ctx, c, request{method: http.MethodPost, path: []string{"v1", "backups"}}, map[string]bool{"incremental": incremental})
	return received(j), err
}

// ListBackups returns the backups that were made and are not known to be gone.
func (c *Client) ListBackups(ctx context.Context) ([]api.BackupRecord, error) {
	answer, err := ask[struct{ Backups []api.BackupRecord }](ctx, c, request{method: http.MethodGet, path: []string{"v1", "backups"}})
	return answer.Backups, err
}

// DescribeBackup returns the record of a backup, or api.ErrNoBackup.
func (c *Client) DescribeBackup(ctx context.Context, id string) (api.BackupRecord, error) {
	return ask[api.BackupRecord](ctx, c, request{method: http.MethodGet, path: []string{"v1", "backups", id}})
}

// ForgetBackup drops the record of a backup that is gone.
func (c *Client) ForgetBackup(ctx context.Context, id string) error {
	return c.do(ctx, request{method: http.MethodDelete, path: []string{"v1", "backups", id}})
}
