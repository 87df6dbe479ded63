package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"nearcase/api"
)

type reviewCommand struct {
	Collection string   `short:"c" default:"default" help:"Collection."`
	Task       string   `short:"t" help:"Task whose labels are reviewed (default: the only one)."`
	Kind       []string `short:"k" help:"label_errors, duplicates, uncertain, novel or diverse (default: all)."`
	Limit      int      `short:"n" help:"Items of each list." default:"20"`
	filterFlags
	EveryImage bool    `help:"Several images of a patient among the uncertain, novel and diverse."`
	Similarity float64 `help:"Similarity from which images are near-duplicates (default: by how similar different patients are)."`
	CSV        string  `name:"csv" help:"Write the lists to a file, or to - for the standard output." placeholder:"FILE"`
	Force      bool    `short:"f" help:"Replace a file that is there."`
}

func (reviewCommand) Help() string {
	return `Lists what is worth a look: labels that images of other patients speak against,
near-duplicates and patients who may be one, and the images whose labels would
teach most: uncertain, novel and diverse ones. Each comes with its reason.

  nearcase review --collection cxr --task finding
  nearcase review --collection cxr --kind label_errors --limit 100 --csv errors.csv
  nearcase review --collection cxr --kind duplicates,novel --json`
}

func (q reviewCommand) Run(ctx context.Context, s *session) error {
	filter, err := q.filter()
	if err != nil {
		return err
	}
	if q.Limit < 1 {
		return fmt.Errorf("--limit %d: use 1 or more", q.Limit)
	}
	if err := q.vacant(); err != nil {
		return err
	}
	o := api.ReviewOptions{Task: q.Task, Kinds: q.Kind, Limit: q.Limit, Filter: filter, EveryImage: q.EveryImage, Similarity: q.Similarity}
	return s.with(existing, func(p operations, _ config) error {
		review, err := p.Review(ctx, q.Collection, o, s.progress("review"))
		if err != nil {
			return err
		}
		if q.CSV == "-" {
			return writeReview(s.stdout, review)
		}
		if err := q.save(review); err != nil {
			return err
		}
		return s.print(review, func(w io.Writer) { printReview(w, review, q) })
	})
}

// vacant refuses to replace a file that is there, unless that is wanted.
func (q reviewCommand) vacant() error {
	if q.CSV == "" || q.CSV == "-" {
		return nil
	}
	return exportCommand{Output: q.CSV, Force: q.Force}.vacant()
}

// save writes the lists to the file that is named, if one is.
func (q reviewCommand) save(review api.Review) error {
	if q.CSV == "" {
		return nil
	}
	return exportCommand{Output: q.CSV, Force: q.Force}.write(func(w io.Writer) error { return writeReview(w, review) })
}

// reviewTitle is the title of a kind of lists.
func reviewTitle(kind string) string {
	switch kind {
	case api.ReviewLabelErrors:
		return "Probable label errors"
	case api.ReviewDuplicates:
		return "Near-duplicates"
	case api.ReviewUncertain:
		return "Most uncertain"
	case api.ReviewNovel:
		return "Most novel"
	case api.ReviewDiverse:
		return "Most diverse"
	}
	return kind
}

func printReview(w io.Writer, review api.Review, q reviewCommand) {
	about := ""
	if review.Task != "" {
		about = fmt.Sprintf(", %d labelled for %s", review.Labelled, review.Task)
	}
	fmt.Fprintf(w, "%s: %d images of %d patients%s, model %s\n", review.Collection, review.Instances, review.Patients, about, review.Model)
	for _, list := range review.Lists {
		printReviewList(w, list)
	}
	fmt.Fprintln(w)
	for _, line := range nextSteps(review, q) {
		fmt.Fprintln(w, line)
	}
}

func printReviewList(w io.Writer, list api.ReviewList) {
	fmt.Fprintf(w, "\n%s%s\n", reviewTitle(list.Kind), countsOf(list))
	if list.Problem != "" {
		fmt.Fprintln(w, "  cannot be listed:", list.Problem)
		return
	}
	var rows [][]string
	for _, i := range list.Items {
		rows = append(rows, []string{fmt.Sprintf("  %d", i.Rank), fmt.Sprintf("%.4f", i.Score), i.Name, frameText(i.Frame), i.Patient, i.Reason, i.ID})
	}
	printColumns(w, []string{"  RANK", "SCORE", "IMAGE", "FRAME", "PATIENT", "REASON", "ID"}, rows)
	for _, p := range list.Patients {
		fmt.Fprintf(w, "  may be one patient: %s and %s; near-identical pairs of images: %d (similarity up to %.4f)\n",
			strings.Map(printable, p.Patients[0]), strings.Map(printable, p.Patients[1]), p.Pairs, p.Score)
	}
	if left := list.PatientsFound - len(list.Patients); left > 0 {
		fmt.Fprintf(w, "  and %d more pairs of patients\n", left)
	}
	for _, note := range list.Notes {
		fmt.Fprintln(w, "  note:", note)
	}
}

// countsOf says how many were looked at, and of how many the list has the first.
func countsOf(list api.ReviewList) string {
	switch {
	case list.Problem != "":
		return ""
	case list.Kind == api.ReviewLabelErrors:
		return fmt.Sprintf(": %d of %d labels are likely wrong", list.Found, list.Judged)
	case list.Kind == api.ReviewDuplicates:
		return fmt.Sprintf(": %d groups among %d images (similarity from %.4f)", list.Found, list.Judged, list.Similarity)
	}
	return fmt.Sprintf(": %d of %d images", len(list.Items), list.Judged)
}

// nextSteps says what to do with the lists.
func nextSteps(review api.Review, q reviewCommand) (lines []string) {
	for _, list := range review.Lists {
		for _, i := range list.Items {
			if list.Kind == api.ReviewLabelErrors && i.Finding == "" {
				return []string{fmt.Sprintf("correct a label: nearcase label --collection %s %s %s=%s", review.Collection, i.ID, review.Task, i.Suggested)}
			}
			if review.Task != "" && !i.Labelled && list.Kind != api.ReviewDuplicates {
				lines = []string{fmt.Sprintf("label an image: nearcase label --collection %s %s %s=CLASS", review.Collection, i.ID, review.Task)}
			}
		}
	}
	if len(lines) == 0 && review.Task != "" {
		lines = []string{fmt.Sprintf("correct a label: nearcase label --collection %s ID %s=CLASS", review.Collection, review.Task)}
	}
	return lines
}

// writeReview writes one row for each item, and one for each further image of a
// group of duplicates. A text that a spreadsheet would take for a formula begins
// with an apostrophe.
func writeReview(w io.Writer, review api.Review) error {
	c := csv.NewWriter(w)
	rows := [][]string{{"kind", "rank", "id", "name", "patient", "score", "labelled", "label", "finding", "given", "suggested",
		"probability", "alternative", "likely", "reason"}}
	for _, list := range review.Lists {
		for _, i := range list.Items {
			images := []api.ReviewImage{i.ReviewImage}
			if len(i.Group) > 0 {
				images = i.Group
			}
			for _, image := range images {
				rows = append(rows, reviewRow(review.Task, i, image))
			}
		}
	}
	return errors.Join(c.WriteAll(rows), c.Error())
}

func reviewRow(task string, i api.ReviewItem, image api.ReviewImage) []string {
	label, labelled := strings.Join(image.Labels[task], "|"), image.Labels[task] != nil
	if task == "" {
		label, labelled = labelText(image.Labels), len(image.Labels) > 0
	}
	row := []string{i.Kind, fmt.Sprint(i.Rank), image.ID, image.Name, image.Patient, fmt.Sprint(i.Score), fmt.Sprint(labelled), label,
		i.Finding, i.Given, i.Suggested, exactly(i.Probability), exactly(i.Alternative), fmt.Sprint(i.Likely), i.Reason}
	for n, text := range row {
		if n != 5 && strings.ContainsAny(text[:min(1, len(text))], "=+-@\t\r") {
			row[n] = "'" + text
		}
	}
	return row
}

func exactly(p *float64) string {
	if p == nil {
		return ""
	}
	return fmt.Sprint(*p)
}
