// The figures of an evaluation: what they are called, how they are looked up, and the
// evaluation as CSV.
import { decimal, number } from "./ui.js";

// measures are [name, short, long, better] in the order in which they are shown; better
// is 1 where more is better, -1 where less is, 0 where neither.
const measures = [
	["auc_macro", "AUC", "area under the ROC curve, mean of the classes", 1],
	["auc_weighted", "AUC, weighted", "area under the ROC curve, classes weighted by their images", 1],
	["auc", "AUC", "area under the ROC curve", 1],
	["average_precision", "Average precision", "average precision", 1],
	["sensitivity_at_90_specificity", "Sens. at 90 % spec.", "sensitivity at 90 % specificity", 1],
	["specificity_at_90_sensitivity", "Spec. at 90 % sens.", "specificity at 90 % sensitivity", 1],
	["balanced_accuracy", "Balanced accuracy", "mean share of each class that is predicted rightly", 1],
	["accuracy", "Accuracy", "share of images predicted rightly", 1],
	["sensitivity", "Sensitivity", "share of the images with the class that are predicted so", 1],
	["specificity", "Specificity", "share of the images without the class that are not predicted so", 1],
	["precision", "Precision", "share of what is predicted so that is so", 1],
	["f1", "F1", "harmonic mean of precision and sensitivity", 1],
	["brier", "Brier score", "squared error of the probabilities; 0 is best", -1],
	["log_loss", "Log loss", "negative logarithm of the probability of the truth; 0 is best", -1],
	["ece", "ECE", "expected calibration error; 0 is best", -1],
	["coverage", "Coverage", "share of prediction sets that hold the truth", 0],
	["set_size", "Set size", "mean number of classes in a prediction set", -1],
	["p_at_1", "P@1", "share of images whose nearest case has their label", 1],
	["p_at_5", "P@5", "share of the 5 nearest cases with the label of the image", 1],
	["p_at_10", "P@10", "share of the 10 nearest cases with the label of the image", 1],
];

// known is a measure as {name, short, long, better}.
export function known(name) {
	const [, short, long, better] = measures.find(([n]) => n === name) ?? [name, name, name, 0];
	return { name, short, long, better };
}

// present are the names of the measures that any of the lists has, in order.
export function present(...lists) {
	const has = new Set(lists.flat().map((m) => m.name));
	return [...measures.map(([n]) => n).filter((n) => has.has(n)), ...[...has].filter((n) => !measures.some(([m]) => m === n))];
}

export const measure = (of, name) => (of?.measures ?? []).find((m) => m.name === name);

// estimate writes a value with its interval.
export const estimate = (m, digits = 3) => (m ? `${minus(m.value, digits)} (${interval(m, digits)})` : "–");
export const interval = (m, digits = 3) => (m ? `${minus(m.low, digits)} to ${minus(m.high, digits)}` : "");
const minus = (x, digits) => decimal(x, digits).replace("-", "−");
export const signed = (x, digits = 3) => (x < 0 ? "−" : "+") + decimal(Math.abs(x), digits);
export const excludesZero = (m) => m.low > 0 || m.high < 0;

// primary is the measure that sums up an evaluation.
export const primary = (results) => ["auc_macro", "balanced_accuracy"].find((n) => results.some((r) => measure(r, n))) ?? results[0]?.measures?.[0]?.name;

// best is the position of the best result by a measure, -1 where none has it.
export function best(results, name) {
	const { better } = known(name);
	let at = -1;
	results.forEach((r, i) => {
		const m = measure(r, name);
		if (m && better !== 0 && (at < 0 || better * m.value > better * measure(results[at], name).value)) at = i;
	});
	return at;
}

// titled names a result; several networks are told apart.
export const titled = (e, r) => ((e.data.networks ?? []).length > 1 ? `${r.model}: ${r.method}` : r.method);

// difference is the first result less the second on the same resamples, as the
// evaluation has it either way round; undefined where it has none.
export function difference(e, a, b, name) {
	const is = (d, x, y) => d.measure === name && d.model === x.model && d.method === x.method && d.against_model === y.model && d.against_method === y.method;
	const found = (e.differences ?? []).find((d) => is(d, a, b)), other = (e.differences ?? []).find((d) => is(d, b, a));
	return found ?? (other && { ...other, value: -other.value, low: -other.high, high: -other.low });
}

// outcomes are the four counts of a class against the rest of a multi-label task, from
// its sensitivity and specificity: rows are the truth, columns what was predicted, with
// first and then without.
export function outcomes(of) {
	const sensitivity = measure(of, "sensitivity")?.value, specificity = measure(of, "specificity")?.value;
	if (sensitivity === undefined || specificity === undefined) return null;
	const without = of.known - of.n, hit = Math.round(sensitivity * of.n), clear = Math.round(specificity * without);
	return [[hit, of.n - hit], [without - clear, clear]];
}

// methodKeys are what methods are asked for by, each with what it is.
export const methodKeys = [
	["nearest", "Nearest case", "1-NN"], ["votes", "Votes", "k neighbours, weighted"], ["uniform", "Uniform votes", "11 neighbours, all alike"],
	["chosen", "Chosen votes", "k and weights validated"], ["class-means", "Class means", "nearest mean"], ["simpleshot", "SimpleShot", "nearest centred mean"],
	["ridge", "Ridge probe", "linear, least squares"], ["softmax", "Softmax probe", "linear, logistic"], ["zero-shot", "Zero-shot", "by texts, if it has a text tower"],
];

// facts sum up what was evaluated.
export function facts(e) {
	const d = e.data;
	return [e.task, `${number(d.images)} images of ${number(d.patients)} patients`, d.folds ? `${d.folds} folds` : `${number(d.test ?? 0)} tested, ${number(d.train ?? 0)} learnt from`,
		`${number(d.rounds)} rounds`, `seed ${d.seed}`, ...(d.networks ?? []).map((n) => `${n.collection}: ${n.model}, ${n.index ?? ""}`)];
}

// csv writes rows of texts and numbers as RFC 4180 has it. A text that a spreadsheet
// would take for a formula begins with an apostrophe.
export function csv(rows) {
	const cell = (c) => {
		let t = c === undefined || c === null ? "" : String(c);
		if (typeof c === "string" && /^ *[=+\-@\t\r\n＝＋－＠]/.test(t)) t = "'" + t;
		return /[",\r\n]/.test(t) ? `"${t.replaceAll('"', '""')}"` : t;
	};
	return rows.map((r) => r.map(cell).join(",") + "\n").join("");
}

// figuresCSV has every measure, one row each, in the columns of the server's own.
export function figuresCSV(e) {
	const rows = [["network", "method", "class", "measure", "value", "low", "high", "images", "positives", "patients", "subgroup_column", "subgroup_value"]];
	const add = (r, column, value) => {
		for (const m of r.measures ?? []) rows.push([r.model, r.method, "", m.name, m.value, m.low, m.high, r.n, "", r.patients, column, value]);
		for (const c of r.classes ?? []) for (const m of c.measures ?? []) rows.push([r.model, r.method, c.class, m.name, m.value, m.low, m.high, c.known, c.n, r.patients, column, value]);
	};
	for (const r of e.results ?? []) add(r, "", "");
	for (const g of e.subgroups ?? []) for (const r of g.results ?? []) add(r, g.column, g.value);
	return csv(rows);
}

// mistakesCSV has the mistakes that the evaluation lists.
export function mistakesCSV(e) {
	return csv([["network", "method", "instance", "truth", "predicted", "probability"],
		...(e.mistakes ?? []).map((m) => [m.model, m.method, m.id, (m.truth ?? []).join("|"), (m.predicted ?? []).join("|"), m.probability])]);
}
