// What the labels say of an image, task by task: votes, probes and words on the rows
// of the same classes, and how far all that can be trusted.
import { chip, colourOf, decimal, el, number, share, tabs } from "./ui.js";
import { evidence, limits, percent } from "./words.js";

// answers shows a classification; task is the one shown first, known tells that it is
// known whose the image is, chosen(task) hears of another task.
export function answers(collection, said, { task, level, known, chosen }) {
	const panel = el("div", { class: "answer" }), tasks = said.tasks ?? [];
	const show = (name) => {
		const answer = tasks.find((t) => t.task === name) ?? tasks[0];
		panel.replaceChildren(...answer ? one(collection, said, answer, { level, known }) : [el("p", { class: "muted" }, "No task has labels that could answer.")]);
	};
	const current = tasks.some((t) => t.task === task) ? task : tasks[0]?.task;
	show(current);
	if (tasks.length < 2) return [panel];
	return [tabs("Tasks", tasks.map((t) => [t.task, t.task]), current, (name) => { show(name); chosen(name); }, panel), panel];
}

function one(collection, said, a, whose) {
	const classes = collection.tasks.find((t) => t.name === a.task)?.classes ?? [];
	return [headline(a, classes, said.novelty), table(a, classes), sentence(a, said.novelty, whose), trust(said, a)];
}

// headline is the prediction with what qualifies it.
function headline(a, classes, novelty) {
	const best = a.probabilities?.[0], prediction = a.prediction ?? [];
	const text = a.refused ? "No prediction" : prediction.length > 0 ? prediction.join(", ") : a.multi ? "None of the findings" : "No prediction";
	return el("div", { class: "headline" },
		el("div", { class: "says" }, el("span", { class: "muted small" }, a.task), el("strong", {}, prediction.slice(0, 1).map((c) => dot(classes, c)), text),
			best && !a.multi && prediction.includes(best.class) && el("span", { class: "big" }, percent(best.probability))),
		el("div", { class: "row flags" }, agreement(a), set(a), unusual(novelty)));
}

function agreement(a) {
	if (a.agree === undefined) return null;
	if (a.disagreement?.flag) return flag("warn", "▲", "Votes and probe disagree: look closely");
	return a.agree ? flag("good", "✓", "Votes and probe agree") : flag("warn", "◇", "Votes and probe differ");
}

function set(a) {
	if (!a.set) return null;
	const { classes, coverage } = a.set;
	if (!a.multi && !(classes?.length > 0)) return flag("warn", "∅", `No class fits at ${share(coverage)} coverage`);
	return flag("", "{ }", `${share(coverage)} set: ${classes?.join(", ") || "none"}`);
}

function unusual(n) {
	if (n?.percentile === undefined) return null;
	const kind = n.percentile >= 0.99 ? "bad" : n.percentile >= 0.95 ? "warn" : "";
	const text = `More unusual than ${percent(n.percentile)} of stored images`;
	return el("span", { class: "flag " + kind }, el("span", { class: "scale", role: "img", "aria-label": text }, el("i", { style: { left: 100 * n.percentile + "%" } })), el("span", { "aria-hidden": "true" }, `Unusual: ${percent(n.percentile)}`));
}

const flag = (kind, sign, text) => el("span", { class: "flag " + kind }, el("b", { "aria-hidden": "true" }, sign), el("span", {}, text));
const dot = (classes, c) => el("i", { class: "dot", "aria-hidden": "true", style: { "--colour": colourOf(classes, c) } });

const by = (list, key) => new Map((list ?? []).map((x) => [x.class, x[key]]));

// table has a row for each class, the most probable first.
function table(a, classes) {
	const sources = columns(a), best = by(a.probabilities, "probability"), ridge = by(a.probe?.scores, "score"), votes = by(a.votes, "share");
	const worth = (c) => best.get(c) ?? votes.get(c) ?? ridge.get(c) ?? -1;
	const known = [...new Set([...classes, ...best.keys(), ...votes.keys(), ...ridge.keys()])].sort((x, y) => worth(y) - worth(x));
	const inSet = new Set(a.set?.classes ?? []);
	return el("div", { class: "weighed", tabindex: 0, role: "region", "aria-label": "Evidence by class" }, el("table", {},
		el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Class"), sources.map((s) => el("th", { scope: "col", title: s.title }, s.name, s.name === named[a.default] && el("span", { class: "answers", title: "Its prediction stands" }, " ●", el("span", { class: "hidden" }, "its prediction stands")))))),
		el("tbody", {}, known.map((c) => el("tr", { class: (a.prediction ?? []).includes(c) ? "predicted" : "" },
			el("th", { scope: "row" }, el("div", { class: "class" }, dot(classes, c), el("span", {}, c), inSet.has(c) && el("span", { class: "inset", title: "In the prediction set" }, "in set"))),
			sources.map((s) => el("td", {}, s.cell(c, colourOf(classes, c)))))))));
}

const named = { ridge: "Ridge", softmax: "Softmax" };

// columns are the sources there are. A bar is a share or probability where there is
// one, and for a probe that is not calibrated its score, hollow.
function columns(a) {
	const votes = new Map((a.votes ?? []).map((v) => [v.class, v])), calls = new Map((a.calls ?? []).map((c) => [c.class, c]));
	const probability = by(a.probabilities, "probability");
	return [
		a.probabilities?.length > 0 && { name: "Probability", title: "Calibrated, corrected for the expected shares of the classes", cell: (c, colour) => bar(probability.get(c), colour, { text: percent, marks: calls.get(c), note: call(calls.get(c)), strong: true }) },
		{ name: "Votes", title: "Share of the weight of the neighbours", cell: (c, colour) => bar(votes.get(c)?.share, colour, { text: percent, note: votes.has(c) ? `${votes.get(c).count} of ${votes.get(c).known}` : "" }) },
		...["ridge", "softmax"].map((head) => probeColumn(head === "ridge" ? a.probe : a.softmax, named[head])),
		a.zero_shot && words(a.zero_shot),
	].filter(Boolean);
}

function probeColumn(p, name) {
	if (!p || !(p.scores?.length > 0)) return null;
	const scores = by(p.scores, "score"), probability = by(p.probabilities, "probability");
	return { name, title: "Its own probability, and its score beneath", cell: (c, colour) => (probability.has(c) ? bar(probability.get(c), colour, { text: percent, note: `score ${decimal(scores.get(c), 2)}` }) :
		bar(scores.get(c), colour, { text: (x) => decimal(x, 2), note: "score", hollow: true })) };
}

function words(z) {
	const scores = by(z.scores, "score");
	return { name: "Zero-shot", title: z.prompts?.join("\n"), cell: (c, colour) => bar(scores.get(c), colour, { text: percent, note: "by name" }) };
}

// bar is a figure with its length; marks has the thresholds of a call.
function bar(x, colour, { text, note, marks, strong, hollow }) {
	if (x === undefined || x === null) return el("span", { class: "muted" }, "–");
	const at = (p) => p !== undefined && el("i", { class: "tick", style: { left: 100 * p + "%" } });
	return el("div", { class: "gauge" + (strong ? " strong" : "") + (hollow ? " hollow" : "") },
		el("span", { class: "track", "aria-hidden": "true" }, el("i", { class: "length", style: { width: 100 * Math.min(Math.max(x, 0), 1) + "%", "--colour": colour } }), at(marks?.rule_out), at(marks?.rule_in)),
		el("span", { class: "worth" }, text(x)), note && el("span", { class: "note" }, note));
}

const signs = { "ruled in": "▲", "ruled out": "▽", uncertain: "◇" };

// call is the state of a class at the operating point, whose thresholds are the ticks
// on its bar.
function call(c) {
	return c && el("span", { class: "call " + c.state.replace(" ", "-") }, el("b", { "aria-hidden": "true" }, signs[c.state] ?? ""), " ", c.state);
}

// limitsOf are the thresholds in words.
const limitsOf = (calls) => (calls ?? []).map((c) => `${c.class} ${[c.rule_out !== undefined && `out below ${percent(c.rule_out)}`, c.rule_in !== undefined && `in above ${percent(c.rule_in)}`].filter(Boolean).join(", ") || "never"}`).join("; ");

function sentence(a, novelty, whose) {
	return el("div", { class: "sentence" }, el("p", {}, evidence(a, novelty, whose).join(" ")), el("p", { class: "muted" }, limits));
}

// trust is what is missing and why, and what answered.
function trust(said, a) {
	const reasons = [...new Set([...a.reasons ?? [], said.novelty?.problem].filter(Boolean))];
	const fact = (name, value) => value !== undefined && value !== "" && [el("dt", {}, name), el("dd", {}, String(value))];
	const v = a.voting;
	return el("details", { class: "small" }, el("summary", {}, reasons.length > 0 ? "What is missing, and what answered" : "What answered"),
		reasons.length > 0 && el("ul", { class: "reasons" }, reasons.map((r) => el("li", {}, r))),
		el("dl", { class: "known" }, fact("Model", said.model), fact("Fingerprint", said.fingerprint.slice(0, 16)), fact("Index", said.index), fact("Log entry", number(said.head)), fact("Last label", number(said.label_watermark)),
			fact("Ridge version", a.probe?.version), fact("Softmax version", a.softmax?.problem ?? a.softmax?.version), fact("Prediction by", a.default), fact("Ruled", limitsOf(a.calls)),
			fact("Votes", `${v.k} by ${v.weighting}${v.temperature ? ` at ${v.temperature}` : ""}, ${v.group_by === "none" ? "all cases" : `one of each ${v.group_by}`}, as ${v.chosen}`), fact("Examples", `${number(a.counts.examples)}, ${number(a.counts.left_out)} left out`),
			fact("Gap", a.disagreement && decimal(a.disagreement.gap, 2)), fact("Distance", decimal(said.novelty?.distance)), fact("Request", said.request_id)));
}

// labelsOf are a case's labels as chips, those of the shown task first.
export function labelsOf(collection, labels, task) {
	const names = Object.keys(labels ?? {}).sort((x, y) => (y === task) - (x === task));
	return names.flatMap((name) => (labels[name].length > 0 ? labels[name] : ["none"]).map((c) =>
		chip(c, { title: `${name}: ${c}`, colour: colourOf(collection.tasks?.find((t) => t.name === name)?.classes ?? [], c) })));
}
