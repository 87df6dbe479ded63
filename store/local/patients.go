package local

import "nearcase/store"

// patients number whom, or which study, instances are of: see store.Query.OnePer.
type patients struct {
	// byKey has the number of every key that has been put; 0 is nobody known. What
	// is in it never changes, so that searches read it without the lock.
	byKey []uint32
	of    map[patient]uint32
	last  uint32
}

// patient is whom an instance is of: a patient, or one that nothing is known of
// but a study. The zero patient is not even that. Where studies are numbered it is
// one of a patient's studies.
type patient struct{ id, study string }

func patientOf(i *store.Instance) patient {
	if i.Patient != "" {
		return patient{id: i.Patient}
	}
	return patient{study: i.Study}
}

// studyOf returns the study that an instance is in, the zero one for none. Those of
// different patients may be called alike.
func studyOf(i *store.Instance) patient {
	if i.Study == "" {
		return patient{}
	}
	return patient{id: i.Patient, study: i.Study}
}

func (p *patients) add(key store.Key, who patient) {
	p.byKey = append(p.byKey, make([]uint32, int(key)+1-len(p.byKey))...)
	if who == (patient{}) {
		return
	}
	n, ok := p.of[who]
	if !ok {
		p.last++
		n = p.last
		p.of[who] = n
	}
	p.byKey[key] = n
}

// numbering returns the number of each key known so far.
func (p *patients) numbering() func(key uint64) uint64 {
	byKey := p.byKey
	return func(key uint64) uint64 {
		if key >= uint64(len(byKey)) {
			return 0
		}
		return uint64(byKey[key])
	}
}
