package problem

import "nearcase/api"

// Job is a job as it travels: with the problem that its error is.
type Job struct {
	api.Job
	Problem *Problem `json:"problem,omitempty"`
}
