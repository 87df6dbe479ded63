package eval

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Subgroup is the images that have a value in a column of the metadata.
type Subgroup struct {
	Value    string // empty: not given
	Images   []int  // positions, rising; what Truth.Only takes
	Patients int
	// Small tells that there are too few to measure.
	Small bool
}

// Subgroups divides images by their values, one for each image, and returns
// them sorted by value. Those of fewer images or fewer patients than asked are
// marked Small. It returns ErrLength unless there is one group for each value.
func Subgroups(values, groups []string, images, patients int) ([]Subgroup, error) {
	if len(values) != len(groups) {
		return nil, fmt.Errorf("dividing %d values of %d groups: %w", len(values), len(groups), ErrLength)
	}
	value, names := index(values)
	all, has := make([]Subgroup, len(names)), make([]map[string]bool, len(names))
	for i, v := range value {
		if has[v] == nil {
			has[v] = map[string]bool{}
		}
		has[v][groups[i]] = true
		all[v].Images = append(all[v].Images, i)
	}
	for v := range all {
		s := &all[v]
		s.Value, s.Patients = names[v], len(has[v])
		s.Small = len(s.Images) < images || s.Patients < patients
	}
	return all, nil
}

// AgeBands returns the band of each age: "0-17", "18-39", "40-64", "65-79" or
// "80+", of an empty value the empty one. ok is false, and values come back as
// they are, unless every value that is not empty is an age and there is one.
func AgeBands(values []string) (bands []string, ok bool) {
	bands = slices.Clone(values)
	for i, v := range values {
		if strings.TrimSpace(v) == "" {
			bands[i] = ""
			continue
		}
		years, err := Age(v)
		if err != nil {
			return values, false
		}
		bands[i], ok = band(years), true
	}
	if !ok {
		return values, false
	}
	return bands, true
}

func band(years float64) string {
	switch {
	case years < 18:
		return "0-17"
	case years < 40:
		return "18-39"
	case years < 65:
		return "40-64"
	case years < 80:
		return "65-79"
	}
	return "80+"
}

// Age returns the years of a DICOM age string, three digits and one of D, W, M
// or Y for days, weeks, months or years (PS3.5, 6.2, value representation AS),
// or of a plain number of years, "45" or "45.5". Fewer digits, small letters and
// space around are tolerated. It returns ErrAge for all else and for an age of
// more than 150 years.
func Age(s string) (years float64, err error) {
	number := strings.ToUpper(strings.TrimSpace(s))
	perYear := 1.0
	if n := len(number); n > 0 && strings.Contains("DWMY", number[n-1:]) {
		perYear = map[byte]float64{'D': 365.25, 'W': 365.25 / 7, 'M': 12, 'Y': 1}[number[n-1]]
		number = number[:n-1]
		if strings.Trim(number, "0123456789") != "" {
			return 0, fmt.Errorf("age %q: %w", s, ErrAge)
		}
	}
	if number == "" || strings.Trim(number, "0123456789.") != "" {
		return 0, fmt.Errorf("age %q: %w", s, ErrAge)
	}
	count, err := strconv.ParseFloat(number, 64)
	if years = count / perYear; err != nil || years > 150 {
		return 0, fmt.Errorf("age %q: %w", s, ErrAge)
	}
	return years, nil
}
