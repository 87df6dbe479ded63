package client

import (
	"context"
	"net/http"

	"nearcase/api"
	"nearcase/api/problem"
	"nearcase/store"
)

// Erase erases a patient, given by their own ID or by what the collection calls
// them, in a job of the server, and returns the receipt.
func (c *Client) Erase(ctx context.Context, name, patient string, progress func(done, total int)) (api.Receipt, error) {
	body := map[string]string{"patient": patient, "confirm": patient}
	return inBackground[api.Receipt](ctx, c, collection(http.MethodPost, name, "erasures"), body, progress)
}

// Receipts returns the receipts of all erasures, the oldest first. With one that has
// been changed, or is missing between others, the error is api.ErrForged.
func (c *Client) Receipts(ctx context.Context) ([]api.Receipt, error) {
	answer, err := ask[struct {
		Receipts []api.Receipt
		Problem  string
	}](ctx, c, request{method: http.MethodGet, path: []string{"v1", "erasures"}})
	if err == nil && answer.Problem != "" {
		err = forged{answer.Problem}
	}
	return answer.Receipts, err
}

// forged is api.ErrForged in the words of the server.
type forged struct{ text string }

func (f forged) Error() string        { return f.text }
func (f forged) Is(target error) bool { return target == api.ErrForged }

// Receipt returns the receipt of an erasure, or api.ErrReceipt.
func (c *Client) Receipt(ctx context.Context, id string) (api.Receipt, error) {
	return ask[api.Receipt](ctx, c, request{method: http.MethodGet, path: []string{"v1", "erasures", id}})
}

// Compact rewrites the server's store without what was deleted or overwritten, in a
// job of the server.
func (c *Client) Compact(ctx context.Context, progress func(done, total int)) (store.Compacted, error) {
	return asJob[store.Compacted](ctx, c, func(ctx context.Context) (problem.Job, error) {
		return ask[problem.Job](ctx, c, request{method: http.MethodPost, path: []string{"v1", "compactions"}})
	}, progress)
}

// Statistics counts what a collection has, and says what it takes of the disk.
func (c *Client) Statistics(ctx context.Context, name string) (store.Statistics, error) {
	return ask[store.Statistics](ctx, c, collection(http.MethodGet, name, "statistics"))
}

// Amend changes a collection's description, or whether it keeps originals.
func (c *Client) Amend(ctx context.Context, name string, a store.Amendment) (api.Collection, error) {
	body := struct {
		store.Amendment
		Confirm string `json:"confirm"`
	}{a, name}
	return tell[api.Collection](ctx, c, collection(http.MethodPatch, name), body)
}
