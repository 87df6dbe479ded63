// The report of a finished evaluation: warnings first, then the figures of all methods,
// then one method looked at closely, beside another if one likes.
import { download, save, collectionPath } from "./api.js";
import { choice, decimal, el, failed, fill, loading, number, svg, toast, when } from "./ui.js";
import { best, difference, estimate, excludesZero, facts, figuresCSV, interval, known, measure, mistakesCSV, present, primary, signed, titled } from "./figures.js";
import { start } from "./evaluationjob.js";
import * as plots from "./evaluationplots.js";
import { cases, confusion } from "./confusion.js";
import { listedCases } from "./evaluationform.js";

// sets are the columns of the table of figures that are shown together.
const sets = [
	["main", "Main figures", ["auc_macro", "average_precision", "balanced_accuracy", "sensitivity_at_90_specificity", "brier", "ece"]],
	["ranking", "Ranking", ["auc_macro", "auc_weighted", "average_precision", "sensitivity_at_90_specificity", "specificity_at_90_sensitivity"]],
	["deciding", "Predictions", ["balanced_accuracy", "accuracy", "f1", "coverage", "set_size"]],
	["probabilities", "Probabilities and cases", ["brier", "log_loss", "ece", "p_at_1", "p_at_5", "p_at_10"]],
];

// report shows the result of a job; again() runs it anew with other options.
export function report(context, job, again) {
	const e = { ...job.result, results: job.result.results ?? [] };
	if (e.results.length === 0) return el("div", { class: "state" }, el("h2", {}, "No method has given a figure"), el("ul", {}, (e.warnings ?? []).map((w) => el("li", {}, w))), el("button", { type: "button", onclick: again }, "Change and run again"));
	const name = primary(e.results), state = chosen(context, e, name), close = el("div", { class: "stack" }), box = el("div", { class: "stack report" });
	const pick = (part) => {
		Object.assign(state, part);
		context.remember({ job: job.id, m: state.method, a: state.against < 0 ? "" : state.against, c: state.class });
		fill(close, closely(context, e, job, state, pick));
		mark(box, state.method);
	};
	fill(box, head(context, e, job, again), warnings(e), figures(e, name, state, pick), close, whole(e, name), sources(e));
	fill(close, closely(context, e, job, state, pick));
	mark(box, state.method);
	return box;
}

// chosen is what the address says is looked at, or else the method whose mistakes are
// listed, which is the best with probabilities, and the rarest class.
function chosen({ params }, e, name) {
	const at = (key, otherwise) => (e.results[params.get(key)] && /^\d+$/.test(params.get(key)) ? Number(params.get(key)) : otherwise);
	const rarest = [...(e.results[0].classes ?? [])].reverse().sort((a, b) => a.n - b.n)[0]?.class ?? "";
	const wanted = params.get("c"), of = e.mistakes?.[0], listed = of ? e.results.findIndex((r) => r.model === of.model && r.method === of.method) : -1;
	return { method: at("m", listed < 0 ? Math.max(0, best(e.results, name)) : listed), against: at("a", -1), class: (e.classes ?? []).includes(wanted) ? wanted : rarest };
}

function mark(box, at) {
	box.querySelectorAll("tr[data-result]").forEach((r) => { r.classList.toggle("chosen", Number(r.dataset.result) === at); r.querySelector("input").checked = Number(r.dataset.result) === at; });
}

function head(context, e, job, again) {
	const stem = `evaluation-${e.collection}-${e.task}`.replace(/[^\w.-]+/g, "-"), room = el("div");
	return el("section", { class: "card" }, el("div", { class: "plot-head" }, el("h2", {}, `${e.task} in ${e.collection}`), el("span", { class: "muted small" }, when(e.data.time)),
		el("button", { type: "button", onclick: again }, "Change and run again")),
	el("ul", { class: "facts" }, facts(e).slice(1).map((f) => el("li", {}, f))),
	el("div", { class: "row" }, el("button", { type: "button", onclick: (ev) => page(context, job, stem, ev.currentTarget, room) }, "Report (HTML)"), el("label", { class: "check small" }, el("input", { type: "checkbox", id: "with-pictures" }), el("span", {}, "with pictures of mistakes")), el("span", { class: "fill" }),
		el("button", { type: "button", onclick: () => save(figuresCSV(e), stem + ".csv", "text/csv") }, "Figures (CSV)"),
		(e.mistakes ?? []).length > 0 && el("button", { type: "button", onclick: () => save(mistakesCSV(e), stem + "-mistakes.csv", "text/csv") }, "Mistakes (CSV)")), room);
}

// page saves the server's own report, for which it evaluates once more with the same seed.
async function page(context, job, stem, button, room) {
	const stop = new AbortController(), signal = AbortSignal.any([context.signal, stop.signal]), given = job.parameters ?? {}, pictures = document.getElementById("with-pictures").checked;
	button.disabled = true;
	fill(room, loading("The server evaluates once more with the same seed to make its report", { cancel: () => stop.abort() }));
	try {
		await download("POST", collectionPath(context.name, "evaluate"), stem + ".html", { body: { ...given, mistakes: given.mistakes < 0 ? -1 : Math.min(given.mistakes || 12, 12), without_images: !pictures }, headers: { Accept: "text/html" }, signal });
		fill(room);
		toast("The report is saved.");
	} catch (err) {
		fill(room, err.name === "AbortError" ? null : failed(err));
	} finally {
		button.disabled = false;
	}
}

// warnings are what must be known before a figure is read, and what the leak check shows.
function warnings(e) {
	const all = [...(e.warnings ?? []), ...e.results.flatMap((r) => (r.warnings ?? []).map((w) => `${titled(e, r)}: ${w}`))], leak = e.leaks?.length > 0 && leakSentence(e);
	if (all.length === 0 && !leak) return null;
	return el("section", { class: all.length > 0 || leak.bad ? "card before warned" : "card before" }, all.length > 0 && [el("h2", { class: "warn" }, "Before you read on"), el("ul", { class: "warnings" }, all.map((w) => el("li", {}, w)))],
		leak && el("p", { class: "leak" }, el("b", {}, "Leak check. "), leak.text));
}

function leakSentence(e) {
	const name = primary(e.results), of = e.leaks.filter((l) => l.measure === name), { short } = known(name);
	if (of.length === 0) return null;
	const most = of.reduce((a, b) => (b.gain.value > a.gain.value ? b : a)), bad = of.some((l) => l.gain.low > 0);
	const gain = `${titled(e, most)} would gain ${signed(most.gain.value)} ${short} (${interval(most.gain)})`;
	return { bad, text: bad ? `With images divided regardless of patients ${gain}: that much would be recognising patients. The figures below keep patients together.` : `Patients are never on both sides. Had images been divided regardless of them, ${gain} at most, which is no more than chance explains.` };
}

// figures is the table of all methods; its first column chooses the method to look at.
function figures(e, name, state, pick) {
	const room = el("div", { class: "scroll" }), has = present(...e.results.map((r) => r.measures ?? []));
	const show = (set) => fill(room, table(e, set === "all" ? has : sets.find(([n]) => n === set)[2].filter((m) => has.includes(m)), name, state, pick));
	show("main");
	return el("section", { class: "card" }, el("div", { class: "plot-head" }, el("h2", {}, "Figures with 95 % intervals"), choice("Columns", [...sets.map(([n, t]) => [n, t]), ["all", "All"]], "main", show)), room,
		el("p", { class: "muted small" }, "Choose a method to look at it below. The best of a column is bold, whether or not its lead is more than chance; intervals resample patients."));
}

function table(e, columns, name, state, pick) {
	const values = e.results.map((r) => measure(r, name)).filter(Boolean), span = [Math.min(...values.map((m) => m.low)), Math.max(...values.map((m) => m.high))], tops = columns.map((c) => best(e.results, c));
	return el("table", { class: "figures" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Method"), el("td", { class: "wide" }), columns.map((c) => el("th", { scope: "col", class: "figure", title: known(c).long }, known(c).short)))),
		el("tbody", {}, e.results.map((r, i) => el("tr", { data: { result: i }, class: i === state.method ? "chosen" : null, onclick: () => pick({ method: i }) },
			el("th", { scope: "row" }, el("label", { class: "check" }, el("input", { type: "radio", name: "method", checked: i === state.method, onclick: (ev) => ev.stopPropagation(), onchange: () => pick({ method: i }) }), el("span", {}, titled(e, r)))),
			el("td", { class: "wide" }, spark(measure(r, name), span)), columns.map((c, k) => el("td", { class: "figure" }, value(measure(r, c), tops[k] === i)))))));
}

const value = (m, top) => (m ? [el(top ? "b" : "span", {}, decimal(m.value)), el("small", {}, interval(m))] : "–");

// spark is an interval as a little line; the figures beside it say the same.
function spark(m, [from, to]) {
	if (!m) return null;
	const x = (v) => 4 + (92 * (v - from)) / (to - from || 1);
	return svg("svg", { "aria-hidden": "true", viewBox: "0 0 100 20", class: "spark" }, svg("path", { d: `M${x(m.low)} 10H${x(m.high)}`, stroke: "var(--accent)", "stroke-width": 2 }), svg("circle", { cx: x(m.value), cy: 10, r: 4, fill: "var(--accent)" }));
}

// closely is one method, for one class, beside another.
function closely(context, e, job, state, pick) {
	const r = e.results[state.method], other = e.results[state.against], all = [[r, 0], ...(other && other !== r ? [[other, 1]] : [])], behind = el("section", { class: "card", hidden: true, "aria-label": "Cases" });
	const keep = (key, convert) => (v) => { const id = `pick-${key}`; pick({ [key]: convert(v) }); document.getElementById(id)?.focus(); };
	const bar = el("div", { class: "row picks" }, el("h2", {}, "One method closely"), choice("Method", e.results.map((o, i) => [String(i), titled(e, o)]), String(state.method), keep("method", Number), { id: "pick-method" }),
		choice("Beside", [["-1", "none"], ...e.results.map((o, i) => [String(i), titled(e, o)]).filter(([i]) => Number(i) !== state.method)], String(state.against), keep("against", Number), { id: "pick-against" }),
		(e.classes ?? []).length > 1 && choice("Class", e.classes.map((c) => [c, c]), state.class, keep("class", String), { id: "pick-class" }));
	const tell = (cell) => cases(behind, context, e, r, cell, () => withCases(context, job, state));
	return [bar, sentence(e, r, other && other !== r ? other : null), el("div", { class: "plots" }, plots.roc(e, all, state.class), plots.pr(e, all, state.class), confusion(e, r, state.class, tell), plots.reliability(e, r, 0)), behind,
		el("div", { class: "plots" }, other && other !== r && plots.differences(e, r, other), (e.classes ?? []).length > 2 && plots.classes(e, r), e.subgroups?.length > 0 && plots.subgroups(e, r, primary(e.results)))];
}

// sentence says the main figure in words, and how it compares.
function sentence(e, r, other) {
	const name = primary(e.results), m = measure(r, name), { short } = known(name), d = other && difference(e, r, other, name);
	return el("p", { "aria-live": "polite" }, `${titled(e, r)} reaches ${short} ${estimate(m)} on ${number(r.n)} images of ${number(r.patients)} patients of whom it knew nothing.`,
		d && ` That is ${signed(d.value)} (${interval(d)}) against ${titled(e, other)}: ${excludesZero(d) ? "more than chance explains" : "not to be told from chance"}.`);
}

// withCases evaluates once more and lists cases.
async function withCases(context, job, state) {
	try {
		const next = await start(context.name, { ...job.parameters, cases: listedCases }, context.signal);
		context.go("evaluation", { job: next.id, m: state.method, a: state.against < 0 ? "" : state.against, c: state.class });
	} catch (err) {
		if (err.name !== "AbortError") toast(err.message, { kind: "bad" });
	}
}

// whole are the plots of all methods.
function whole(e, name) {
	const learnt = e.learning?.length > 0 && plots.learning(e, e.learning.some((c) => c.measure === name) ? name : e.learning[0].measure), leak = e.leaks?.length > 0 && plots.leaks(e, e.leaks.some((l) => l.measure === name) ? name : e.leaks[0].measure);
	if (!learnt && !leak) return null;
	return el("section", { class: "stack" }, el("h2", {}, "All methods"), el("div", { class: "plots" }, learnt, leak));
}

// sources say what was evaluated and how, in the words that a paper takes.
function sources(e) {
	return el("section", { class: "card" }, el("h2", {}, "What was evaluated"), el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Class"), el("th", { scope: "col", class: "figure" }, "Images"), el("th", { scope: "col", class: "figure" }, "Patients"))),
		el("tbody", {}, (e.data.classes ?? []).map((c) => el("tr", {}, el("th", { scope: "row" }, c.class), el("td", { class: "figure" }, number(c.images)), el("td", { class: "figure" }, number(c.patients))))))),
	el("details", {}, el("summary", {}, "How the methods were set"), el("ul", { class: "warnings" }, (e.classifiers ?? []).map((c) => el("li", {}, el("b", {}, c.method), ` – ${[c.settings, c.chosen].filter(Boolean).join("; ") || c.kind}`)))),
	el("details", {}, el("summary", {}, "Paragraph for a methods section"), el("p", {}, e.methods), el("button", { type: "button", onclick: () => navigator.clipboard.writeText(e.methods).then(() => toast("Copied."), () => toast("The browser does not allow copying.", { kind: "bad" })) }, "Copy")));
}
