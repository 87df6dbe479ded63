package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"nearcase/store"
	"nearcase/store/local"
	"nearcase/store/vault"
)

type encryption struct {
	KeyFile string `yaml:"key_file" env:"KEY_FILE"`
	Key     string `yaml:"key" env:"KEY" secret:"true"`
}

func (e encryption) check() error {
	if e.KeyFile != "" && e.Key != "" {
		return errors.New("encryption.key_file and encryption.key are both given, use one")
	}
	return nil
}

// key is the master key of the data directory; nil is none.
func (e encryption) key() (*vault.Key, error) {
	var k vault.Key
	var err error
	switch {
	case e.KeyFile != "":
		k, err = vault.ReadKey(e.KeyFile)
	case e.Key != "":
		k, err = vault.ParseKey(e.Key)
	default:
		return nil, nil
	}
	return &k, err
}

type encryptionCommand struct {
	Status  encryptionStatus  `cmd:"" default:"withargs" help:"Tell how the data directory is encrypted."`
	Enable  encryptionEnable  `cmd:"" help:"Encrypt a data directory that is not."`
	Rotate  encryptionRotate  `cmd:"" help:"Change the master key, or make a new data key and write everything anew."`
	Disable encryptionDisable `cmd:"" help:"Make an encrypted data directory plain."`
}

func (encryptionCommand) Help() string {
	return `Works on a data directory that no server has open, with the key that
encryption.key_file names or NEARCASE_ENCRYPTION_KEY holds. A new data directory is
encrypted from the start if there is a key. Whoever loses the key loses the data.

  (umask 077; openssl rand -hex 32 > /etc/nearcase/master.key)
  nearcase encryption enable --config config.yaml
  nearcase encryption rotate --new-key-file /etc/nearcase/next.key`
}

// sealed returns the configuration and how the data directory is opened.
func (s *session) sealed() (config, local.Options, error) {
	if s.Server != "" {
		return config{}, local.Options{}, errors.New("encryption works on a data directory that no server has open, not on --server")
	}
	c, err := s.configuration()
	if err != nil {
		return c, local.Options{}, err
	}
	key, err := c.Encryption.key()
	return c, local.Options{Key: key, Logger: s.logger(c.calm())}, err
}

type encryptionStatus struct{}

func (encryptionStatus) Run(s *session) error {
	c, o, err := s.sealed()
	if err != nil {
		return err
	}
	e, err := local.EncryptionOf(c.Data, o)
	if err != nil {
		return err
	}
	return s.print(e, func(w io.Writer) { printEncryption(w, e) })
}

func printEncryption(w io.Writer, e local.Encryption) {
	if e.State == vault.Plain {
		fmt.Fprintln(w, "not encrypted")
		return
	}
	fmt.Fprintf(w, "%s, with master key %s\n", e.State, e.Master)
	for _, k := range e.Keys {
		fmt.Fprintf(w, "data key %d of %s: %s%s\n", k.ID, k.Created.Format(time.DateOnly), count(e.Files[k.ID], "file"), map[bool]string{true: ", and new ones"}[k.Current])
	}
	if plain := e.Files[0]; plain > 0 {
		fmt.Fprintf(w, "not encrypted: %s\n", count(plain, "file"))
	}
	if e.Damaged > 0 {
		fmt.Fprintf(w, "damaged: %s\n", count(e.Damaged, "file"))
	}
	switch e.State {
	case vault.Enabling:
		fmt.Fprintln(w, "go on with: nearcase encryption enable")
	case vault.Rotating:
		fmt.Fprintln(w, "go on with: nearcase encryption rotate --data-key")
	case vault.Disabling:
		fmt.Fprintln(w, "go on with: nearcase encryption disable")
	}
}

type encryptionEnable struct{}

func (encryptionEnable) Help() string {
	return `Rewrites the log as compact does, and every file. It takes as much free space as the
log. When it is interrupted call it again: it goes on. What was plain before may be
read from the disk's free blocks until something else is written there.`
}

func (encryptionEnable) Run(ctx context.Context, s *session) error {
	c, o, err := s.sealed()
	if err == nil && o.Key == nil {
		err = fmt.Errorf("%w: none is named: make one with (umask 077; openssl rand -hex 32 > FILE), keep a backup of it apart from the data, and name it by encryption.key_file", store.ErrKey)
	}
	if err != nil {
		return err
	}
	r, err := local.Encrypt(ctx, c.Data, o, s.progress("encrypt"))
	return s.recoded("encrypted", r, err)
}

type encryptionRotate struct {
	NewKeyFile string `help:"File with the new master key, which replaces the one there is at once." placeholder:"FILE" type:"path"`
	DataKey    bool   `help:"Make a new data key, and write the log and all files anew with it."`
}

func (encryptionRotate) Help() string {
	return `Another master key takes a moment: it encrypts the data keys alone. Whoever had the
former one and a copy of the file keys can still read what was copied and what has not
been written anew: --data-key does that. When it is interrupted call it again.`
}

func (q encryptionRotate) Run(ctx context.Context, s *session) error {
	if q.NewKeyFile == "" && !q.DataKey {
		return errors.New("nothing to do: name a new master key with --new-key-file, or make a new data key with --data-key")
	}
	c, o, err := s.sealed()
	if err == nil && q.NewKeyFile != "" {
		o.Key, err = q.exchange(c, o, s.stderr)
	}
	if err != nil || !q.DataKey {
		return err
	}
	r, err := local.RotateData(ctx, c.Data, o, s.progress("encrypt"))
	return s.recoded("encrypted anew", r, err)
}

// exchange replaces the master key; one that has been replaced already stays.
func (q encryptionRotate) exchange(c config, o local.Options, said io.Writer) (*vault.Key, error) {
	to, err := vault.ReadKey(q.NewKeyFile)
	if err != nil {
		return nil, err
	}
	if id, err := local.MasterKey(c.Data); err != nil || id != to.ID() {
		if err := errors.Join(err, local.RotateKey(c.Data, o, to)); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(said, "%s is encrypted with %s from now on: name %s by encryption.key_file\n", c.Data, to, q.NewKeyFile)
	return &to, nil
}

type encryptionDisable struct{}

func (encryptionDisable) Run(ctx context.Context, s *session) error {
	c, o, err := s.sealed()
	if err != nil {
		return err
	}
	r, err := local.Decrypt(ctx, c.Data, o, s.progress("decrypt"))
	return s.recoded("plain", r, err)
}

// recoded tells what was written anew.
func (s *session) recoded(now string, r local.Recoded, err error) error {
	if err == nil {
		err = s.print(r, func(w io.Writer) {
			fmt.Fprintf(w, "%s: %s, %s, in %s\n", now, cmp.Or(map[bool]string{true: "the log"}[r.Log], "the log before"), count(r.Files, "file"), r.Took.Round(time.Millisecond))
		})
	}
	if len(r.Damaged) > 0 {
		err = errors.Join(err, fmt.Errorf("%s damaged, and left as they were: %s", count(len(r.Damaged), "file"), strings.Join(r.Damaged[:min(10, len(r.Damaged))], ", ")))
	}
	return err
}

// encryption checks that the key is that of the data directory, and elsewhere.
func (d *doctor) encryption() finding {
	id, err := local.MasterKey(d.c.Data)
	if err != nil {
		return broken("restore the file keys or keys.copy from a backup", "%v", err)
	}
	key, err := d.c.Encryption.key()
	switch {
	case err != nil:
		return broken("name a file with a key of 32 bytes in hex that only this user can read", "%v", err)
	case id == "" && key == nil:
		return unknown("none: who can read %s can read all that is stored", d.c.Data)
	case id == "":
		return broken("run nearcase encryption enable, or leave the key out", "there is a key, and the data directory is not encrypted")
	case key == nil:
		return broken("name its key by encryption.key_file, or put it into NEARCASE_ENCRYPTION_KEY", "the data directory is encrypted with key %s, and there is none", id)
	case key.ID() != id:
		return broken("name the key that it is encrypted with", "the data directory is encrypted with key %s, and the one named is %s", id, key.ID())
	case isBelow(d.c.Encryption.KeyFile, d.c.Data):
		return warning("keep it elsewhere", "the key %s is in the data directory: who has that has both", d.c.Encryption.KeyFile)
	}
	return ok("with key %s; keep a backup of it apart from the data, which is lost without it", id)
}

// isBelow reports whether a file is in a folder.
func isBelow(path, folder string) bool {
	file, err := filepath.Abs(path)
	in, failed := filepath.Abs(folder)
	below, away := filepath.Rel(in, file)
	return path != "" && errors.Join(err, failed, away) == nil && below != ".." && !strings.HasPrefix(below, ".."+string(filepath.Separator))
}
