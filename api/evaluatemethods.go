package api

import (
	"fmt"
	"slices"
	"strings"

	"nearcase/probe/eval/report"
)

// The names of methods in EvaluateOptions.
const (
	methodNearest   = "nearest"
	methodVotes     = "votes"
	methodUniform   = "uniform"
	methodChosen    = "chosen"
	methodMeans     = "class-means"
	methodSimple    = "simpleshot"
	methodRidge     = "ridge"
	methodSoftmax   = "softmax"
	methodZeroShot  = "zero-shot"
	chosenRidge     = "the penalty was chosen by leave-one-patient-out error over twelve decades within the training images"
	chosenSoftmax   = "the penalty was chosen by patient-grouped folds within the training images, over twelve decades"
	calibratedByLOO = "probabilities and prediction sets come from scores of training images by fits without their patient"
)

// EvaluateMethods are the names that EvaluateOptions.Methods takes:
//
//   - nearest: the nearest neighbour alone;
//   - votes: K neighbours by the weights of the task or service, at first DINOv2's;
//   - uniform: 11 neighbours, all alike, as MedMNIST+ has it;
//   - chosen: number and weights chosen within the training images;
//   - class-means and simpleshot: the nearest class mean, of vectors as they are
//     and of centred ones;
//   - ridge and softmax: the probes (of a multi-label task the latter is a logistic
//     probe for each class);
//   - zero-shot: texts, for networks with a text tower.
func EvaluateMethods() []string {
	return []string{methodNearest, methodVotes, methodUniform, methodChosen, methodMeans, methodSimple, methodRidge, methodSoftmax, methodZeroShot}
}

func wantedMethods(names []string) (map[string]bool, error) {
	wanted := map[string]bool{}
	for _, name := range names {
		if !slices.Contains(EvaluateMethods(), name) {
			return nil, fmt.Errorf("%w: method %.40q is none of %s", ErrQuery, name, strings.Join(EvaluateMethods(), ", "))
		}
		wanted[name] = true
	}
	if len(names) == 0 {
		for _, name := range EvaluateMethods() {
			wanted[name] = true
		}
	}
	return wanted, nil
}

func classifierOf(name, kind, settings, chosen string) report.Classifier {
	return report.Classifier{Method: name, Kind: kind, Settings: settings, Chosen: chosen}
}

// newMethod returns a method that has predicted nothing yet.
func newMethod(w *network, key string, c report.Classifier) method {
	m := method{key: key, Classifier: c}
	m.Model, m.Predictions.Method = w.Name, c.Method
	return m
}
