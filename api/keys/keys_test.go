package keys_test

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"nearcase/api/keys"
	"nearcase/store"
)

// shelf keeps documents in memory and counts how often it is asked.
type shelf struct {
	mu    sync.Mutex
	kept  map[string][]byte
	saved int
	fails error
}

func (s *shelf) SaveDocument(_ context.Context, _, name string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return s.fails
	}
	if s.kept == nil {
		s.kept = map[string][]byte{}
	}
	s.kept[name] = bytes.Clone(data)
	s.saved++
	return nil
}

func (s *shelf) Documents(context.Context, string) (all []store.Document, _ error) {
	for name, data := range s.kept {
		all = append(all, store.Document{Name: name, Data: data})
	}
	return all, nil
}

func open(t *testing.T, s *shelf) *keys.Ring {
	t.Helper()
	r, err := keys.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func create(t *testing.T, r *keys.Ring, n keys.New) keys.Issued {
	t.Helper()
	i, err := r.CreateKey(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

var reader = keys.New{Name: "viewer", Grant: keys.Grant{Scopes: []keys.Scope{keys.Read}, Collections: []string{"cxr"}}}

func TestAKeyOpensAfterTheProgramBeganAnew(t *testing.T) {
	s := &shelf{}
	i := create(t, open(t, s), reader)
	r := open(t, s)
	got, err := r.Verify(i.Token)
	if diff := cmp.Diff(i.Key, got); err != nil || diff != "" {
		t.Errorf("Verify: got %v (-want +got):\n%s", err, diff)
	}
	if r.IsEmpty() || !open(t, &shelf{}).IsEmpty() {
		t.Error("IsEmpty: want it of a ring without keys alone")
	}
}

func TestATokenIsKnownForWhatItIsAndIsNotStored(t *testing.T) {
	s := &shelf{}
	i := create(t, open(t, s), reader)
	if !regexp.MustCompile(`^nc_[a-z2-7]{8}_[a-z2-7]{59}$`).MatchString(i.Token) || !strings.HasPrefix(i.Token, "nc_"+i.Key.ID+"_") {
		t.Errorf("got token %q of key %q, want nc_ID_ and 59 letters", i.Token, i.Key.ID)
	}
	secret := i.Token[len("nc_")+9:]
	for _, data := range s.kept {
		if bytes.Contains(data, []byte(secret[:16])) {
			t.Errorf("stored: %s, which has the secret", data)
		}
	}
	text := "GET /x?key=" + i.Token + "&y=nc_nc_" + i.Token
	if got := keys.Find(text); !slices.Equal(got, []string{i.Key.ID, i.Key.ID}) {
		t.Errorf("Find: got %q, want the key twice", got)
	}
	if got := keys.Find("nc_" + strings.Repeat("a", 8) + "_" + strings.Repeat("a", 59)); got != nil {
		t.Errorf("Find in what has no checksum: got %q, want nothing", got)
	}
}

// Every change of one letter is caught by the checksum, and everything else by
// the hash.
func TestWrongTokensOpenNothing(t *testing.T) {
	r := open(t, &shelf{})
	i, other := create(t, r, reader), create(t, r, reader)
	wrong := []string{"", "nc_", "Bearer", i.Token + "a", i.Token[1:], strings.ToUpper(i.Token), i.Token + "\n", i.Token[:12] + other.Token[12:], strings.Repeat("x", 1<<20)}
	for at := range i.Token {
		b := []byte(i.Token)
		b[at] = map[bool]byte{true: 'b', false: 'a'}[b[at] == 'a']
		wrong = append(wrong, string(b))
	}
	for _, token := range wrong {
		if _, err := r.Verify(token); !errors.Is(err, keys.ErrToken) {
			t.Errorf("Verify(%.80q): got %v, want %v", token, err, keys.ErrToken)
		}
	}
	unknown := create(t, open(t, &shelf{}), reader)
	if _, err := r.Verify(unknown.Token); !errors.Is(err, keys.ErrToken) || errors.Is(err, keys.ErrRevoked) {
		t.Errorf("Verify of a key of another server: got %v, want %v", err, keys.ErrToken)
	}
}

func TestARotatedKeyHasItsOldTokenForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r := open(t, s)
		first := create(t, r, reader)
		second, err := r.RotateKey(t.Context(), first.Key.ID, time.Hour)
		if err != nil || second.Key.ID != first.Key.ID || second.Token == first.Token {
			t.Fatalf("RotateKey: got %+v, %v, want another token of the same key", second, err)
		}
		valid := func(token string) bool { _, err := open(t, s).Verify(token); return err == nil }
		if !valid(first.Token) || !valid(second.Token) {
			t.Error("within the grace period: want both tokens to open")
		}
		time.Sleep(time.Hour)
		if valid(first.Token) || !valid(second.Token) {
			t.Error("after the grace period: want the new token alone to open")
		}
		third, err := r.RotateKey(t.Context(), first.Key.ID, 0)
		if err != nil || valid(second.Token) || !valid(third.Token) {
			t.Errorf("rotated without grace: got %v, want the new token alone to open", err)
		}
	})
}

func TestKeysEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, &shelf{})
		n := reader
		n.Expires = time.Now().Add(time.Minute)
		short, long := create(t, r, n), create(t, r, reader)
		if _, err := r.Verify(short.Token); err != nil {
			t.Errorf("before it ends: %v", err)
		}
		time.Sleep(time.Minute)
		if k, err := r.Verify(short.Token); !errors.Is(err, keys.ErrExpired) || k.ID != short.Key.ID {
			t.Errorf("at its end: got %q, %v, want %v", k.ID, err, keys.ErrExpired)
		}
		if _, err := r.RevokeKey(t.Context(), long.Key.ID); err != nil {
			t.Fatal(err)
		}
		if k, err := r.Verify(long.Token); !errors.Is(err, keys.ErrRevoked) || k.ID != long.Key.ID {
			t.Errorf("revoked: got %q, %v, want %v", k.ID, err, keys.ErrRevoked)
		}
		if _, err := r.RotateKey(t.Context(), long.Key.ID, 0); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("rotate a revoked key: got %v, want %v", err, store.ErrInvalid)
		}
		if r.IsEmpty() {
			t.Error("a ring whose keys have ended: want it not empty")
		}
	})
}

func TestTheLastUseIsKnownToTheHourAndSavedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r := open(t, s)
		i, unused := create(t, r, reader), create(t, r, reader)
		time.Sleep(90 * time.Minute)
		for range 1000 {
			if _, err := r.Verify(i.Token); err != nil {
				t.Fatal(err)
			}
		}
		if s.saved != 2 {
			t.Errorf("1000 verifications: %d documents saved, want none", s.saved-2)
		}
		for range 2 {
			if err := r.SaveUsed(t.Context()); err != nil || s.saved != 3 {
				t.Errorf("SaveUsed: %v, %d documents saved, want the one used, once", err, s.saved-2)
			}
		}
		all, err := open(t, s).Keys(t.Context())
		if err != nil || len(all) != 2 {
			t.Fatalf("Keys: got %v, %v, want two", all, err)
		}
		for _, k := range all {
			want := map[bool]time.Time{true: time.Now().UTC().Truncate(time.Hour)}[k.ID != unused.Key.ID]
			if !k.LastUsed.Equal(want) {
				t.Errorf("key %s: last used %v, want %v", k.ID, k.LastUsed, want)
			}
		}
	})
}

func TestAKeyThatCannotBeSavedIsNoKey(t *testing.T) {
	s := &shelf{fails: errors.New("disk full")}
	r := open(t, s)
	if i, err := r.CreateKey(t.Context(), reader); !errors.Is(err, s.fails) || i.Token != "" || !r.IsEmpty() {
		t.Errorf("CreateKey: got %+v, %v, want %v and no key", i, err, s.fails)
	}
	s.fails = nil
	i := create(t, r, reader)
	s.fails = errors.New("disk full")
	if _, err := r.RevokeKey(t.Context(), i.Key.ID); !errors.Is(err, s.fails) {
		t.Errorf("RevokeKey: got %v, want %v", err, s.fails)
	}
	if _, err := r.Verify(i.Token); err != nil {
		t.Errorf("a key that could not be revoked: got %v, want it to open, as the caller was told", err)
	}
}

func TestKeysAreRefused(t *testing.T) {
	r := open(t, &shelf{})
	read := keys.Grant{Scopes: []keys.Scope{keys.Read}}
	for fact, n := range map[string]keys.New{
		"no name":                  {Grant: read},
		"a long name":              {Name: strings.Repeat("x", 101), Grant: read},
		"a name of two lines":      {Name: "a\nb", Grant: read},
		"no scope":                 {Name: "x"},
		"an unknown scope":         {Name: "x", Grant: keys.Grant{Scopes: []keys.Scope{"root"}}},
		"a scope twice":            {Name: "x", Grant: keys.Grant{Scopes: []keys.Scope{keys.Read, keys.Read}}},
		"an empty collection":      {Name: "x", Grant: keys.Grant{Scopes: read.Scopes, Collections: []string{""}}},
		"a collection twice":       {Name: "x", Grant: keys.Grant{Scopes: read.Scopes, Collections: []string{"a", "a"}}},
		"an end that is over":      {Name: "x", Grant: read, Expires: time.Now().Add(-time.Hour)},
		"a collection too long":    {Name: "x", Grant: keys.Grant{Scopes: read.Scopes, Collections: []string{strings.Repeat("x", 101)}}},
		"too many of collections ": {Name: "x", Grant: keys.Grant{Scopes: read.Scopes, Collections: slices.Collect(names(1001))}},
	} {
		if i, err := r.CreateKey(t.Context(), n); !errors.Is(err, store.ErrInvalid) || i.Token != "" {
			t.Errorf("%s: got %+v, %v, want %v", fact, i, err, store.ErrInvalid)
		}
	}
	if _, err := r.RevokeKey(t.Context(), "none"); !errors.Is(err, keys.ErrKey) {
		t.Errorf("RevokeKey of none: got %v, want %v", err, keys.ErrKey)
	}
	if _, err := r.RotateKey(t.Context(), "none", 0); !errors.Is(err, keys.ErrKey) {
		t.Errorf("RotateKey of none: got %v, want %v", err, keys.ErrKey)
	}
}

func names(n int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i := range n {
			if !yield(strings.Repeat("a", i%90+1) + string(rune('b'+i/90))) {
				return
			}
		}
	}
}

func TestDocumentsThatAreNoKeysAreNoKeysAndSayThatThereWereSome(t *testing.T) {
	for _, data := range []string{"", "{}", `{"key":{"id":"other"},"hash":"AAAA"}`, `{"key":{"id":"a"},"hash":"AAAA"}`} {
		s := &shelf{kept: map[string][]byte{"a": []byte(data)}}
		r, err := keys.Open(t.Context(), s)
		if err != nil || !errors.Is(r.Damaged(), store.ErrDamaged) || r.IsEmpty() {
			t.Errorf("Open with %q: got %v, damaged %v, want no key, %v and not empty", data, err, r.Damaged(), store.ErrDamaged)
		}
	}
}

func TestScopesGrantThemselvesAndAdminAll(t *testing.T) {
	for _, has := range keys.Scopes {
		g := keys.Grant{Scopes: []keys.Scope{has}, Collections: []string{"a"}}
		for _, asked := range keys.Scopes {
			if got, want := g.Has(asked), has == asked || has == keys.Admin; got != want {
				t.Errorf("a grant of %s: Has(%s) is %v, want %v", has, asked, got, want)
			}
		}
		if !g.Reaches("a") || g.Reaches("b") || !(keys.Grant{}).Reaches("b") {
			t.Errorf("Reaches: want the collections named, or all")
		}
	}
	if (keys.Grant{}).Has(keys.Read) {
		t.Error("the zero grant: want nothing in it")
	}
}

func TestKeysMayBeUsedWhileTheyChange(t *testing.T) {
	r := open(t, &shelf{})
	i := create(t, r, reader)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 200 {
				if _, err := r.Verify(i.Token); err != nil {
					t.Errorf("Verify: %v", err)
				}
			}
		})
		wait.Go(func() {
			for range 20 {
				k, err := r.CreateKey(t.Context(), reader)
				if err == nil {
					_, err = r.RevokeKey(t.Context(), k.Key.ID)
				}
				if err = errors.Join(err, r.SaveUsed(t.Context())); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
}

// No text is taken for a token but one that was made.
func FuzzTokens(f *testing.F) {
	s := &shelf{}
	r, err := keys.Open(f.Context(), s)
	if err != nil {
		f.Fatal(err)
	}
	i, err := r.CreateKey(f.Context(), reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(i.Token)
	f.Add("nc_aaaaaaaa_")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := r.Verify(text); (err == nil) != (text == i.Token) {
			t.Errorf("Verify(%q): got %v", text, err)
		}
		for _, id := range keys.Find(text) {
			if !strings.Contains(text, "nc_"+id+"_") {
				t.Errorf("Find(%q): got %q, which is not in it", text, id)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	r, err := keys.Open(b.Context(), &shelf{})
	if err != nil {
		b.Fatal(err)
	}
	i, err := r.CreateKey(b.Context(), reader)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := r.Verify(i.Token); err != nil {
			b.Fatal(err)
		}
	}
}
