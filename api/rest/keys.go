package rest

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"nearcase/api/keys"
	"nearcase/api/problem"
)

// ring returns the API keys, which a server has if its data directory is there.
func (s handlers) ring() (*keys.Ring, error) {
	if s.Access.Keys == nil {
		return nil, problem.New(problem.RouteNotFound, "this server has no API keys")
	}
	return s.Access.Keys, nil
}

// ListKeys answers with the API keys there are or were.
func (s handlers) ListKeys(c echo.Context) error {
	ring, err := s.ring()
	if err != nil {
		return err
	}
	found, err := ring.Keys(c.Request().Context())
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, map[string]any{"keys": all(found)})
}

// CreateKey answers with a key and its token.
func (s handlers) CreateKey(c echo.Context) error {
	var n keys.New
	if err := decode(c, &n); err != nil {
		return err
	}
	ring, err := s.ring()
	if err != nil {
		return err
	}
	made, err := ring.CreateKey(c.Request().Context(), n)
	if err != nil {
		return err
	}
	concerns(c.Request().Context(), made.Key.ID)
	return reply(c, http.StatusCreated, made)
}

// RotateKey answers with a key and the token that it has now.
func (s handlers) RotateKey(c echo.Context, id KeyID) error {
	asked := struct {
		Grace int64 `json:"grace_seconds"`
	}{86400}
	if err := decode(c, &asked); err != nil {
		return err
	}
	ring, err := s.ring()
	if err != nil {
		return err
	}
	rotated, err := ring.RotateKey(c.Request().Context(), id, time.Duration(asked.Grace)*time.Second)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, rotated)
}

// RevokeKey answers with a key that opens nothing any more.
func (s handlers) RevokeKey(c echo.Context, id KeyID) error {
	ring, err := s.ring()
	if err != nil {
		return err
	}
	revoked, err := ring.RevokeKey(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, revoked)
}
