package client_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"nearcase/api"
	"nearcase/api/client"
	"nearcase/store"
)

// A program stores the images of a folder, labels one and asks about it.
func Example() {
	ctx, stop := context.WithTimeout(context.Background(), time.Hour)
	defer stop()
	c, err := client.New("http://127.0.0.1:8417", client.Options{Key: os.Getenv("NEARCASE_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	tasks := []store.Task{{Name: "finding", Classes: []string{"normal", "other"}}}
	if _, err := c.Create(ctx, api.NewCollection{Name: "films", Model: "scatter", Tasks: tasks}); err != nil {
		log.Fatal(err)
	}
	images := func(yield func(api.Image) bool) {
		paths, _ := filepath.Glob("films/*.png")
		for _, path := range paths {
			read := func() ([]byte, error) { return os.ReadFile(path) }
			if !yield(api.Image{ID: filepath.Base(path), Read: read}) {
				return
			}
		}
	}
	for item, err := range c.Ingest(ctx, "films", images, api.IngestOptions{}) {
		if err != nil {
			log.Fatal(err) // none of the rest is stored
		}
		if item.Err != nil {
			log.Print(item.ID, ": ", item.Err)
		}
	}
	label := api.LabelRequest{Instance: "a.png", Task: "finding", Classes: []string{"normal"}}
	if _, err := c.Label(ctx, "films", []api.LabelRequest{label}); err != nil {
		log.Fatal(err)
	}
	similar, err := c.Similar(ctx, "films", api.Query{Instance: "a.png", K: 5})
	if err != nil {
		log.Fatal(err)
	}
	for _, found := range similar.Cases {
		fmt.Printf("%.3f %s\n", found.Score, found.ID)
	}
}
