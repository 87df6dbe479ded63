// Package probe turns frozen embeddings and labels into predictions, and says how
// far they can be trusted.
//
// The nearest neighbours of an image vote (Votes, ChooseVoting), class means are
// compared with it (Prototypes), and two linear classifiers score it. The ridge
// probe (Ridge) is the solution of a linear system, kept exact label by label
// (Solved) and judged without each patient in closed form (LeaveOut). The softmax
// probe (FitSoftmax, SweepSoftmax) is the optimum of a convex function, found
// by a search to a stated tolerance. The network that made the embeddings is never
// trained.
//
// From the scores that images have without their patient (Scored) come calibrated
// probabilities (Calibrate), prediction sets (NewSetRule), operating points
// (OperatingPoints) and doubtful labels (Suspects); Novelty tells how unusual an
// image is and Disagree how far votes and probe differ. Tune chooses and makes all
// of these for a task; where there are too few patients it has a reason instead.
//
// Everything here is arithmetic. The package reads and writes nothing, starts
// no goroutine that outlives the call and keeps no state outside the values it
// returns.
package probe
