package problem

// Answers answers a request of several queries, in their order.
type Answers[T any] struct {
	Counts    Counts      `json:"counts"`
	RequestID string      `json:"request_id,omitempty"`
	Items     []Answer[T] `json:"items"`
}

// The values of Answer.Status.
const (
	StatusAnswered = "answered"
	StatusFailed   = "failed"
)

// Answer is the answer to one of several queries, or why there is none.
type Answer[T any] struct {
	// Index counts the queries from 0.
	Index   int      `json:"index"`
	Status  string   `json:"status"`
	Answer  *T       `json:"answer,omitempty"`
	Problem *Problem `json:"problem,omitempty"`
}

// Add appends the answer to the next query, or the problem that it has ended in.
func (a *Answers[T]) Add(answer T, p *Problem) {
	one := Answer[T]{Index: len(a.Items), Status: StatusAnswered, Answer: &answer}
	if p != nil {
		one.Status, one.Answer, one.Problem = StatusFailed, nil, p
	}
	a.Counts.Add(Item{Problem: p})
	a.Items = append(a.Items, one)
}
