package probe

// balance is what examples weigh in the system of a class: present where they
// have it, absent where they have not.
type balance struct{ present, absent float64 }

// balances returns what the Balance makes of the examples' classes at present.
// A class that all have, or none, weighs one.
func (r *Ridge) balances() map[string]balance {
	if r.balance == Unbalanced {
		return nil
	}
	names := r.Classes()
	balances := make(map[string]balance, len(names))
	for _, name := range names {
		c, weight := r.classes[name], r.all.weight
		switch {
		case r.balance == ByClass:
			balances[name] = balance{present: weight.hi / (float64(len(names)) * c.weight.hi)}
		case r.constant(c):
			balances[name] = balance{1, 1}
		default:
			if c.missing != nil {
				weight = weight.minus(c.missing.weight)
			}
			balances[name] = balance{weight.hi / (2 * c.weight.hi), weight.hi / (2 * weight.minus(c.weight).hi)}
		}
	}
	return balances
}

// weigher says what an example weighs in a system.
type weigher struct {
	kind     Balance
	balances map[string]balance
}

// share is what an example is to a system.
type share struct {
	weight double
	parts  []double // of the weight, that of each class
	known  bool     // false where the example is ignored
}

// degree returns how far the example has class c.
func (s share) degree(c int) float64 { return s.parts[c].hi / s.weight.hi }

// share returns what an example with the label is to the system.
func (s *system) share(l label) share {
	of := share{parts: make([]double, len(s.names)), known: true}
	weight := double{hi: l.weight}
	for _, p := range l.parts {
		b := s.weigh.present(p.class)
		part := twoProduct(l.weight, p.degree)
		for c, name := range s.names {
			if name == p.class {
				of.known = of.known && !p.ignored()
				of.parts[c] = part.scaled(b)
				if s.weigh.kind == ByFinding {
					weight = weight.minus(part)
				}
			}
		}
		if s.weigh.kind == ByClass {
			of.weight = of.weight.plus(part.scaled(b))
		}
	}
	switch s.weigh.kind {
	case Unbalanced:
		of.weight = weight
	case ByFinding:
		of.weight = of.parts[0].plus(weight.scaled(s.weigh.balances[s.names[0]].absent))
	}
	return of
}

// present returns what examples of the class weigh.
func (w weigher) present(class string) float64 {
	if w.kind == Unbalanced {
		return 1
	}
	return w.balances[class].present
}

// systems returns the systems of all classes, not centred, with the given
// balances.
func (r *Ridge) systems(balances map[string]balance) []*system {
	var systems []*system
	together := &system{terms: []term{{1, &r.all}}, examples: r.all.count, weigh: weigher{r.balance, balances}}
	if r.balance == ByClass {
		together.terms = nil
	}
	for _, name := range r.Classes() {
		c := r.classes[name]
		switch {
		case r.balance == ByFinding || c.missing != nil:
			systems = append(systems, r.alone(name, c, balances))
		default:
			together.names = append(together.names, name)
			if r.balance == ByClass {
				together.terms = append(together.terms, term{balances[name].present, &c.moments})
			}
		}
	}
	if len(together.names) > 0 {
		systems = append(systems, together)
	}
	for _, s := range systems {
		r.means(s)
	}
	return systems
}

// alone returns the system of one class with moments of its own.
func (r *Ridge) alone(name string, c *class, balances map[string]balance) *system {
	b, ok := balances[name]
	if !ok {
		b = balance{1, 1}
	}
	s := &system{names: []string{name}, terms: []term{{b.absent, &r.all}}, examples: r.known(c), weigh: weigher{r.balance, balances}}
	if c.missing != nil {
		s.terms = append(s.terms, term{-b.absent, c.missing})
	}
	if b.present != b.absent {
		s.terms = append(s.terms, term{b.present, &c.moments}, term{-b.absent, &c.moments})
	}
	return s
}

// means sets what needs O(d) per class.
func (r *Ridge) means(s *system) {
	s.dimension = r.dimension
	s.weight = s.sum(func(m *moments) double { return double{}.plus(m.weight) })
	total := s.totals()
	s.mean = make([]double, r.dimension)
	for i, t := range total {
		s.mean[i] = t.per(s.weight)
	}
	for _, name := range s.names {
		c := r.classes[name]
		by := double{hi: s.weigh.present(name)}
		inside := double{}.plus(c.weight).times(by)
		outside := s.weight.minus(inside)
		sum, right := make([]double, r.dimension), make([]double, r.dimension)
		for i := range sum {
			sum[i] = c.total.at(i).times(by)
		}
		if r.constant(c) { // zero also where the sums carry rounding
			outside = double{}
		} else {
			right = centredSum(sum, inside, total, s.weight)
		}
		s.some, s.whole = append(s.some, c.count), append(s.whole, c.whole)
		s.inside, s.outside = append(s.inside, inside), append(s.outside, outside)
		s.sums, s.right = append(s.sums, sum), append(s.right, right)
	}
}

// centredSum returns sum_i v_i (y_i - m)(x_i - mu) from sum_i v_i y_i x_i, the sum
// inside of v_i y_i, and total and weight of all.
func centredSum(sum []double, inside double, total []double, weight double) []double {
	b := make([]double, len(sum))
	for j, s := range sum {
		b[j] = s.times(weight).minus(total[j].times(inside)).per(weight)
	}
	return b
}
