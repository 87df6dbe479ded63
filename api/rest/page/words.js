// In words: what labels say, and what an answer's evidence is and is not.
import { decimal, number, share } from "./ui.js";

// wording is what a label says.
export function wording(label) {
	if (label.removed) return "withdrawn";
	const said = [...found(label), ...(label.absent ?? []).map((c) => "no " + c)].join(", ") || nothing(label);
	return label.confidence > 0 && label.confidence < 1 ? `${said} (confidence ${decimal(label.confidence, 2)})` : said;
}

// told is what labels by task find, "" where there is none: a label that has no class is
// one, too. Labels are lists of classes, or what an instance has of each task.
export const told = (labels) => Object.values(labels ?? {}).map((l) => found(l).join(", ") || nothing(l)).join(", ");

// found are the classes that a label finds, or may find, and nothing says that of none.
export const found = (l) => (Array.isArray(l) ? l : [...l.classes ?? [], ...(l.uncertain ?? []).map((c) => c + "?")]);
export const nothing = (l) => (l.partial ? "nothing mentioned" : "nothing present");

export const listed = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);
const named = { ridge: "ridge probe", softmax: "softmax probe" };

// evidence is what a task's answer rests on: a list of sentences. known tells that it is
// known whose the image is.
export function evidence(answer, novelty, { level, known }) {
	return [votes(answer, level, known || answer.counts.left_out > 0), probe(answer), agreement(answer), unusual(novelty)].filter(Boolean);
}

function votes(a, level, known) {
	const voters = a.counts.neighbours;
	if (voters === 0) return known ? "No labelled case of another patient could vote." : "No labelled case could vote.";
	const cases = level === "study" ? "labelled studies" : level === "series" ? "labelled series" : "labelled cases";
	const whose = known ? " of other patients" : "";
	const [first, ...others] = a.votes.filter((v) => v.count > 0).slice(0, 3);
	const most = `${number(voters)} most similar ${cases}${whose}`;
	if (!first) return `Of the ${most}, none has any of the findings.`;
	const rest = others.map((v) => `${number(v.count)} ${are(v.count, a)} ${v.class}`);
	if (voters > 1 && first.count === voters && rest.length === 0) return `All of the ${most} ${are(voters, a)} ${first.class}.`;
	return `${listed([`${number(first.count)} of the ${most} ${are(first.count, a)} ${first.class}`, ...rest])}.`;
}

const are = (n, { multi }) => (multi ? (n === 1 ? "has" : "have") : n === 1 ? "is" : "are");

function probe(a) {
	if (a.refused) return `Nothing is predicted: ${a.refused}.`;
	const head = a.default === "softmax" ? a.softmax : a.probe;
	if (head?.problem) return `The ${named[a.default] ?? "probe"} says nothing: ${head.problem}.`;
	const fitted = `The ${named[a.default] ?? "probe"}, fitted to ${number(a.counts.examples)} labelled images`;
	const best = a.probabilities?.[0];
	if (!best) return `${fitted}, favours ${listed(a.prediction ?? []) || "none of the findings"}; its score is not calibrated to a probability.`;
	return `${fitted}, gives ${best.class} a probability of ${percent(best.probability)}, calibrated on patients it had not seen.`;
}

function agreement(a) {
	if (a.agree === undefined) return "";
	if (a.disagreement?.flag) return `Votes and probe differ by so much${a.disagreement.findings?.length > 0 ? ` in ${listed(a.disagreement.findings)}` : ""} that a person should look.`;
	return a.agree ? "" : "Votes and probe favour different classes.";
}

function unusual(n) {
	if (n?.percentile === undefined) return "";
	return `The image is more unusual than ${percent(n.percentile)} of the stored ones.`;
}

// percent never rounds to a certainty that is none.
export const percent = (p) => (p > 0.995 && p < 1 ? ">\u00a099 %" : p < 0.005 && p > 0 ? "<\u00a01 %" : share(p)).replace(" ", "\u00a0");

// limits is what the evidence is not.
export const limits = "This is how similar images were labelled, not a diagnosis: labels may be wrong, and the network sees likeness, not disease.";
