package oidc

import "time"

// Age makes the keys of the issuer that a verifier knows older.
func (v *Verifier) Age(d time.Duration) { v.keys.since = v.keys.since.Add(-d) }
