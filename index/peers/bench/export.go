package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"nearcase/store"
	"nearcase/store/local"
)

// export writes the vectors of a collection, in the order of its log, as raw
// float32 for -real. Its arguments are a data directory, a collection, a file.
func export(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("export takes a data directory, a collection and a file to write")
	}
	l, err := local.Open(args[0], local.Options{MustExist: true})
	if err != nil {
		return err
	}
	defer l.Close()
	f, err := os.Create(args[2])
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	for e, err := range l.Log(ctx, args[1], 0) {
		if err == nil && e.Kind == store.KindPut {
			err = binary.Write(w, binary.LittleEndian, e.Vector)
		}
		if err != nil {
			return fmt.Errorf("export %s: %w", args[1], err)
		}
	}
	return w.Flush()
}
