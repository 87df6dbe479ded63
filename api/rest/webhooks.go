package rest

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"nearcase/api"
)

// ListWebhooks answers with all webhooks.
func (s handlers) ListWebhooks(c echo.Context) error {
	found, err := s.service.Webhooks(c.Request().Context())
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"webhooks": all(found)})
}

// CreateWebhook answers with a webhook and its secret.
func (s handlers) CreateWebhook(c echo.Context) error {
	var n api.NewWebhook
	if err := decode(c, &n); err != nil {
		return err
	}
	made, err := s.service.CreateWebhook(c.Request().Context(), n)
	if err != nil {
		return inBody{err}
	}
	concerns(c.Request().Context(), made.ID)
	c.Response().Header().Set(echo.HeaderLocation, "/v1/webhooks/"+url.PathEscape(made.ID))
	return reply(c, http.StatusCreated, made)
}

// DescribeWebhook answers with a webhook.
func (s handlers) DescribeWebhook(c echo.Context, id WebhookID) error {
	found, err := s.service.Webhook(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, found)
}

// UpdateWebhook answers with the webhook as it is then.
func (s handlers) UpdateWebhook(c echo.Context, id WebhookID) error {
	var change api.WebhookChange
	if err := decode(c, &change); err != nil {
		return err
	}
	changed, err := s.service.UpdateWebhook(c.Request().Context(), id, change)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, changed)
}

// DeleteWebhook answers once nothing is sent any more.
func (s handlers) DeleteWebhook(c echo.Context, id WebhookID) error {
	if err := s.service.DeleteWebhook(c.Request().Context(), id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// RotateWebhook answers with the webhook and the secret that it has now.
func (s handlers) RotateWebhook(c echo.Context, id WebhookID) error {
	rotated, err := s.service.RotateWebhook(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, rotated)
}

// TestWebhook answers with how a message without changes was taken.
func (s handlers) TestWebhook(c echo.Context, id WebhookID) error {
	d, err := s.service.TestWebhook(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, d)
}

// ListDeadLetters answers with the messages of a webhook that were given up.
func (s handlers) ListDeadLetters(c echo.Context, id WebhookID) error {
	found, err := s.service.DeadLetters(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"dead_letters": all(found)})
}

// Redeliver answers with how a dead letter was taken.
func (s handlers) Redeliver(c echo.Context, id WebhookID, message MessageID) error {
	d, err := s.service.Redeliver(c.Request().Context(), id, message)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, d)
}

// DropDeadLetter answers once a dead letter is forgotten.
func (s handlers) DropDeadLetter(c echo.Context, id WebhookID, message MessageID) error {
	if err := s.service.DropDeadLetter(c.Request().Context(), id, message); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
