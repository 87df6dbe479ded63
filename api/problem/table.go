package problem

import (
	"cmp"
	"context"
	"net/http"
	"syscall"

	"nearcase/api"
	"nearcase/api/dicomweb"
	"nearcase/api/keys"
	"nearcase/api/webhook"
	"nearcase/embed"
	"nearcase/probe"
	"nearcase/probe/eval"
	"nearcase/store"
)

// Code names a kind of problem. Codes do not change once released.
type Code string

// The codes of problems that are about a request or the server as such. Those
// that stand for an error of the operations are in the table alone.
const (
	Internal         Code = "internal"
	NotReady         Code = "not_ready"
	RouteNotFound    Code = "route_not_found"
	MethodNotAllowed Code = "method_not_allowed"
	HostNotAllowed   Code = "host_not_allowed"
	CrossOrigin      Code = "cross_origin"
	QueryParameter   Code = "query_parameter"
	MediaTypeUnknown Code = "media_type_unknown"
	JSONInvalid      Code = "json_invalid"
	MultipartInvalid Code = "multipart_invalid"
	NoImages         Code = "no_images"
	TooManyImages    Code = "too_many_images"
	ImageTooLarge    Code = "image_too_large"
	BodyTooLarge     Code = "body_too_large"
	BodyBroken       Code = "body_broken"
	BodyTimeout      Code = "body_timeout"
	NotConfirmed     Code = "not_confirmed"
	HeaderInvalid    Code = "header_invalid"
	OnceInvalid      Code = "idempotency_key_invalid"
	OnceReused       Code = "idempotency_key_reused"
)

// The codes of who may ask and how much.
const (
	Unauthenticated     Code = "unauthenticated"
	KeyInvalid          Code = "key_invalid"
	KeyInURL            Code = "key_in_url"
	ScopeMissing        Code = "scope_missing"
	CollectionForbidden Code = "collection_forbidden"
	IssuerUnavailable   Code = "issuer_unavailable"
	QuotaExceeded       Code = "quota_exceeded"
	Busy                Code = "busy"
	AuditUnavailable    Code = "audit_unavailable"
	TooManyFiles        Code = "too_many_files"
	StoreStopped        Code = "store_stopped"
	HeadersTooMany      Code = "headers_too_many"
	EncodingUnknown     Code = "encoding_unknown"
)

// row ties a code to its status and to the error that it stands for.
type row struct {
	code   Code
	status int
	err    error // nil if no operation returns it
	inBody int   // status when the body, not the path, names what is concerned; 0 means status
	also   error // the system's, answered alike; nil for none
	told   bool  // the detail of err is for who asks, though the server refuses
	title  string
}

// table is searched from the top: where an error matches several rows, the
// first says what to do about it.
var table = []row{
	{code: "erasure_unfinished", status: http.StatusConflict, err: api.ErrNotErased},
	{code: "disk_full", status: http.StatusInsufficientStorage, err: store.ErrFull, also: syscall.ENOSPC, told: true, title: "disk full"},
	{code: "collection_full", status: http.StatusInsufficientStorage, err: store.ErrQuota, told: true},
	{code: TooManyFiles, status: http.StatusServiceUnavailable, err: store.ErrFiles, also: syscall.EMFILE},
	{code: StoreStopped, status: http.StatusServiceUnavailable, err: store.ErrStopped},
	{code: "timeout", status: http.StatusServiceUnavailable, err: context.DeadlineExceeded, title: "took too long"},

	{code: "collection_not_found", status: http.StatusNotFound, err: store.ErrCollection},
	{code: "collection_exists", status: http.StatusConflict, err: store.ErrExists},
	{code: "instance_not_found", status: http.StatusNotFound, inBody: http.StatusUnprocessableEntity, err: store.ErrInstance},
	{code: "original_not_stored", status: http.StatusNotFound, err: store.ErrOriginal},
	{code: "instance_conflict", status: http.StatusConflict, err: store.ErrConflict},
	{code: "instance_changed", status: http.StatusPreconditionFailed, err: store.ErrChanged},
	{code: "fingerprint_mismatch", status: http.StatusConflict, err: store.ErrFingerprint},
	{code: "dimension_mismatch", status: http.StatusUnprocessableEntity, err: store.ErrDimension},
	{code: "vector_invalid", status: http.StatusUnprocessableEntity, err: store.ErrVector},
	{code: "task_not_found", status: http.StatusUnprocessableEntity, err: store.ErrTask},
	{code: "class_not_found", status: http.StatusUnprocessableEntity, err: store.ErrClass},
	{code: "reembedding_not_found", status: http.StatusNotFound, err: store.ErrShadow},
	{code: "reembedding_behind", status: http.StatusConflict, err: store.ErrBehind},
	{code: "recall_too_low", status: http.StatusConflict, err: store.ErrRecall},
	{code: "invalid", status: http.StatusUnprocessableEntity, err: store.ErrInvalid},
	{code: "store_locked", status: http.StatusServiceUnavailable, err: store.ErrLocked},
	{code: "store_closed", status: http.StatusServiceUnavailable, err: store.ErrClosed},
	{code: "store_format", status: http.StatusInternalServerError, err: store.ErrFormat},
	{code: "store_damaged", status: http.StatusInternalServerError, err: store.ErrDamaged},

	{code: "image_empty", status: http.StatusUnprocessableEntity, err: embed.ErrEmpty},
	{code: "codec_interrupted", status: http.StatusServiceUnavailable, err: embed.ErrInterrupted, title: "decoding was interrupted: try again"},
	{code: "codec_missing", status: http.StatusUnsupportedMediaType, err: embed.ErrCodec, title: "a codec library is missing on the server"},
	{code: "no_pixels", status: http.StatusUnprocessableEntity, err: embed.ErrNoPixels},
	{code: "view_invalid", status: http.StatusBadRequest, err: embed.ErrView, title: "no such view of the image"},
	{code: "no_text_tower", status: http.StatusUnprocessableEntity, err: embed.ErrNoText},
	{code: "image_unsupported", status: http.StatusUnsupportedMediaType, err: embed.ErrUnsupported},
	{code: "image_unknown", status: http.StatusUnsupportedMediaType, err: embed.ErrNotImage},
	{code: "image_corrupt", status: http.StatusUnprocessableEntity, err: embed.ErrCorrupt},
	{code: ImageTooLarge, status: http.StatusRequestEntityTooLarge, err: embed.ErrTooLarge},
	{code: "image_not_embeddable", status: http.StatusUnprocessableEntity, err: embed.ErrNotVector, title: "the network gives no vector for this image"},

	{code: "patient_key", status: http.StatusConflict, err: api.ErrKey, title: "the patient key does not fit"},
	{code: "folder_not_allowed", status: http.StatusForbidden, inBody: http.StatusUnprocessableEntity, err: api.ErrFolder},
	{code: "source_invalid", status: http.StatusUnprocessableEntity, err: api.ErrSource, title: "images cannot be read from this"},
	{code: "cursor_invalid", status: http.StatusBadRequest, err: api.ErrCursor},
	{code: "count_differs", status: http.StatusConflict, err: api.ErrExpected, title: "not as many instances as expected"},
	{code: "query_invalid", status: http.StatusUnprocessableEntity, err: api.ErrQuery},
	{code: "model_not_found", status: http.StatusServiceUnavailable, inBody: http.StatusUnprocessableEntity, err: api.ErrModel},
	{code: "collection_changed", status: http.StatusConflict, err: api.ErrChanged},
	{code: "reembedding_busy", status: http.StatusConflict, err: api.ErrReembedding},
	{code: "images_not_kept", status: http.StatusConflict, err: api.ErrNotKept},
	{code: "backup_not_found", status: http.StatusNotFound, inBody: http.StatusUnprocessableEntity, err: api.ErrNoBackup},
	{code: "backup_folder_missing", status: http.StatusConflict, err: api.ErrNoFolder},
	{code: "backup_unusable", status: http.StatusUnprocessableEntity, err: store.ErrBackup},
	{code: "receipt_not_found", status: http.StatusNotFound, err: api.ErrReceipt},
	{code: "receipt_changed", status: http.StatusInternalServerError, err: api.ErrForged},
	{code: "job_not_found", status: http.StatusNotFound, err: api.ErrJob},
	{code: "job_cancelled", status: http.StatusConflict, err: api.ErrCancelled},
	{code: "job_interrupted", status: http.StatusConflict, err: api.ErrInterrupted},
	{code: "webhook_not_found", status: http.StatusNotFound, err: api.ErrWebhook},
	{code: "webhook_url", status: http.StatusUnprocessableEntity, err: webhook.ErrURL},
	{code: "webhook_address", status: http.StatusUnprocessableEntity, err: webhook.ErrAddress},
	{code: "webhook_secret", status: http.StatusUnprocessableEntity, err: webhook.ErrSecret},
	{code: "too_many_jobs", status: http.StatusTooManyRequests, err: api.ErrJobs},
	{code: "model_broken", status: http.StatusServiceUnavailable, err: api.ErrUnusable},
	{code: "runtime_missing", status: http.StatusServiceUnavailable, err: api.ErrRuntime},
	{code: "version_not_found", status: http.StatusNotFound, inBody: http.StatusUnprocessableEntity, err: api.ErrVersion},
	{code: "labels_insufficient", status: http.StatusUnprocessableEntity, err: api.ErrNotEnough},
	{code: "examples_insufficient", status: http.StatusUnprocessableEntity, err: probe.ErrNotEnough, title: "not enough labelled examples"},
	{code: "dicomweb_invalid", status: http.StatusBadRequest, err: dicomweb.ErrSyntax},
	{code: "dicomweb_media_type", status: http.StatusUnsupportedMediaType, err: dicomweb.ErrMediaType},
	{code: "not_acceptable", status: http.StatusNotAcceptable, err: dicomweb.ErrAccept},
	{code: "bulk_not_found", status: http.StatusNotFound, err: dicomweb.ErrBulk},
	{code: "folds_impossible", status: http.StatusUnprocessableEntity, err: eval.ErrFolds, title: "cannot make these folds"},
	{code: "nothing_to_evaluate", status: http.StatusUnprocessableEntity, err: eval.ErrEmpty, title: "nothing to evaluate"},
	{code: "one_class", status: http.StatusUnprocessableEntity, err: eval.ErrOneClass, title: "only one class is present"},

	{code: NotReady, status: http.StatusServiceUnavailable, title: "not ready"},
	{code: RouteNotFound, status: http.StatusNotFound, title: "no such route"},
	{code: MethodNotAllowed, status: http.StatusMethodNotAllowed, title: "method not allowed on this route"},
	{code: HostNotAllowed, status: http.StatusMisdirectedRequest, title: "not the host of this server"},
	{code: CrossOrigin, status: http.StatusForbidden, title: "request from another site"},
	{code: QueryParameter, status: http.StatusBadRequest, title: "query parameter not valid"},
	{code: MediaTypeUnknown, status: http.StatusUnsupportedMediaType, title: "content type not accepted"},
	{code: JSONInvalid, status: http.StatusBadRequest, title: "JSON not valid"},
	{code: MultipartInvalid, status: http.StatusBadRequest, title: "multipart body not valid"},
	{code: NoImages, status: http.StatusBadRequest, title: "no images in the request"},
	{code: TooManyImages, status: http.StatusRequestEntityTooLarge, title: "too many images in one request"},
	{code: BodyTooLarge, status: http.StatusRequestEntityTooLarge, title: "request body too large"},
	{code: BodyBroken, status: http.StatusBadRequest, title: "request body ended early"},
	{code: BodyTimeout, status: http.StatusRequestTimeout, title: "request body came too slowly"},
	{code: HeaderInvalid, status: http.StatusBadRequest, title: "request header not valid"},
	{code: OnceInvalid, status: http.StatusBadRequest, title: "idempotency key not valid"},
	{code: OnceReused, status: http.StatusUnprocessableEntity, title: "idempotency key was used for another request"},
	{code: NotConfirmed, status: http.StatusUnprocessableEntity, title: "deletion not confirmed"},

	{code: "key_not_found", status: http.StatusNotFound, err: keys.ErrKey},
	{code: Unauthenticated, status: http.StatusUnauthorized, title: "an API key is needed"},
	{code: KeyInvalid, status: http.StatusUnauthorized, title: "not a valid API key"},
	{code: KeyInURL, status: http.StatusBadRequest, title: "an API key in a URL"},
	{code: ScopeMissing, status: http.StatusForbidden, title: "the API key lacks a scope"},
	{code: CollectionForbidden, status: http.StatusForbidden, title: "the API key is not for this collection"},
	{code: IssuerUnavailable, status: http.StatusServiceUnavailable, title: "tokens cannot be verified just now"},
	{code: QuotaExceeded, status: http.StatusTooManyRequests, title: "too much was asked"},
	{code: Busy, status: http.StatusServiceUnavailable, title: "too many requests are under way"},
	{code: AuditUnavailable, status: http.StatusServiceUnavailable, title: "the audit log cannot be written"},
	{code: HeadersTooMany, status: http.StatusRequestHeaderFieldsTooLarge, title: "too many header fields"},
	{code: EncodingUnknown, status: http.StatusUnsupportedMediaType, title: "content encoding not accepted"},
}

// row returns the row of a code; the zero row, save for what every answer
// needs, where there is none.
func (c Code) row() row {
	for _, r := range table {
		if r.code == c {
			return r
		}
	}
	return row{code: Internal, status: http.StatusInternalServerError, title: "the server failed"}
}

func (r row) problem(status int, detail string) *Problem {
	p := &Problem{Type: "urn:nearcase:problem:" + string(r.code), Title: r.title, Status: status, Code: r.code, Detail: detail}
	if r.err != nil {
		p.Title = cmp.Or(r.title, r.err.Error())
	}
	if status >= http.StatusInternalServerError {
		p.Detail = "the server's log has the reason"
	}
	return p
}
