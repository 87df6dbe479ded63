package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"nearcase/api"
)

type benchEmbed struct {
	Paths  []string `arg:"" help:"Images, folders, zip archives or CSV files." type:"path"`
	Model  string   `help:"Model (default: that of the configuration)."`
	Images int      `help:"Images to use at most." default:"500"`
}

func (benchEmbed) Help() string {
	return `Reads, decodes, preprocesses and embeds images without storing them. Each stage is
measured by itself in one thread; then the network alone, fed ready tensors by all
workers, beside the whole way from files to vectors. How many threads and images
a run of the network takes is measured anew, and kept for other commands, unless
the configuration says it.

  nearcase bench embed --model resnet18 cxr/
  nearcase bench embed --images 2000 study.zip`
}

func (b benchEmbed) Run(ctx context.Context, s *session) (err error) {
	if s.Server != "" {
		return errors.New("bench works on this machine, not on --server")
	}
	if b.Images < 1 {
		return fmt.Errorf("--images is %d, use 1 or more", b.Images)
	}
	c, err := s.configuration()
	if err != nil {
		return err
	}
	var images []api.Image
	for _, path := range b.Paths {
		source, err := api.OpenSource(path, c.Limits.ImageBytes)
		if err != nil {
			return plain(err)
		}
		defer source.Close()
		for image := range source.Images {
			if len(images) < b.Images {
				images = append(images, image)
			}
		}
	}
	s.measure(ctx, true)
	service := newService(models{config: c, measuring: s.measuring}, nil, api.Privacy{})
	defer func() { err = errors.Join(err, service.Close()) }()
	r, err := service.BenchEmbed(ctx, cmp.Or(b.Model, c.Model), images, s.progress("embed"))
	if err != nil {
		return err
	}
	return s.print(r, func(w io.Writer) { printEmbedBench(w, r) })
}

func printEmbedBench(w io.Writer, r api.EmbedBench) {
	fmt.Fprintf(w, "%s: %s of %.1f MB in all, batches of %d, %s\n", r.Model, count(r.Images, "image"), float64(r.Bytes)/1e6, r.Batch, count(r.Workers, "worker"))
	t := table(w, "STAGE", "IMAGES/S", "EACH", "THREADS")
	for _, stage := range r.Stages {
		t.row(stage.Name, fmt.Sprintf("%.1f", stage.PerSecond), brief(stage.PerImage), 1)
	}
	t.row("network, all workers", fmt.Sprintf("%.1f", r.Network), "", r.Workers)
	t.row("files to vectors", fmt.Sprintf("%.1f", r.Whole), "", r.Workers)
	t.flush()
	fmt.Fprintf(w, "Files become vectors at %.3f of the network's rate.\n", r.Ratio)
	if r.Failed > 0 {
		fmt.Fprintf(w, "Not counted, as they could not be embedded: %s.\n", count(r.Failed, "image"))
	}
}
