package backup

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"filippo.io/age"

	"nearcase/store"
)

// Identities are private keys of age, which open what is encrypted for them. The
// zero value has none.
type Identities struct{ all []age.Identity }

// ParseIdentities reads a file as age-keygen makes it.
func ParseIdentities(r io.Reader) (Identities, error) {
	all, err := age.ParseIdentities(io.LimitReader(r, 1<<20))
	if err != nil {
		return Identities{}, fmt.Errorf("%w: identities: %w", store.ErrKey, err)
	}
	return Identities{all}, nil
}

// And returns both.
func (i Identities) And(more Identities) Identities {
	return Identities{slices.Concat(i.all, more.all)}
}

// CheckRecipients reports what is wrong with public keys.
func CheckRecipients(keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	_, err := parseRecipients(keys)
	return err
}

func parseRecipients(keys []string) ([]age.Recipient, error) {
	all, err := age.ParseRecipients(strings.NewReader(strings.Join(keys, "\n")))
	if err != nil {
		return nil, fmt.Errorf("%w: recipients: %w", store.ErrKey, err)
	}
	return all, nil
}
