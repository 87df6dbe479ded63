package rest

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"nearcase/api"
	"nearcase/store"
	"nearcase/store/backup"
)

// headBackup says of a backup what it is called.
const headBackup = "Nearcase-Backup"

// DownloadBackup sends a backup. What goes wrong once the answer has begun cuts the
// connection, so that nobody takes what came for the whole.
func (s handlers) DownloadBackup(c echo.Context, p DownloadBackupParams) error {
	q := api.BackupRequest{ID: store.NewBackupID(time.Now()), Incremental: p.Incremental, Since: p.Since, Where: "downloaded"}
	if p.Recipients != "" {
		q.Recipients = strings.Split(p.Recipients, ",")
	}
	if err := backup.CheckRecipients(q.Recipients); err != nil {
		return inBody{errors.Join(store.ErrInvalid, err)}
	}
	concerns(c.Request().Context(), q.ID)
	begun := &begunBackup{c: c, to: slowly{c}, id: q.ID, full: p.Since == "" && !p.Incremental, encrypted: len(q.Recipients)+len(s.service.Backups.Recipients) > 0}
	_, err := s.service.Backup(c.Request().Context(), begun, q, nil)
	return err
}

// begunBackup begins the answer with the first byte of a backup.
type begunBackup struct {
	c               echo.Context
	to              io.Writer
	id              string
	full, encrypted bool
	begun           bool
}

func (b *begunBackup) Write(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		named := store.Backup{ID: b.id}
		if !b.full {
			named.Base = "-"
		}
		h := b.c.Response().Header()
		h.Set(echo.HeaderContentType, map[bool]string{false: "application/zstd", true: echo.MIMEOctetStream}[b.encrypted])
		h.Set(echo.HeaderContentDisposition, mime.FormatMediaType("attachment", map[string]string{"filename": backup.FileName(named, b.encrypted)}))
		h.Set(headBackup, b.id)
		b.c.Response().WriteHeader(http.StatusOK)
	}
	return b.to.Write(p)
}

// ListBackups answers with the backups that were made.
func (s handlers) ListBackups(c echo.Context) error {
	all, err := s.service.ListBackups(c.Request().Context())
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"backups": all})
}

// CreateBackup answers with the job.
func (s handlers) CreateBackup(c echo.Context) error {
	var body struct {
		Incremental bool `json:"incremental"`
	}
	if err := decodeAny(c, &body); err != nil {
		return err
	}
	return s.started(c)(s.service.BackupFolder(c.Request().Context(), body.Incremental))
}

// DescribeBackup answers with a backup.
func (s handlers) DescribeBackup(c echo.Context, id string) error {
	concerns(c.Request().Context(), id)
	r, err := s.service.DescribeBackup(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, r)
}

// ForgetBackup forgets a backup.
func (s handlers) ForgetBackup(c echo.Context, id string) error {
	concerns(c.Request().Context(), id)
	if err := s.service.ForgetBackup(c.Request().Context(), id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
