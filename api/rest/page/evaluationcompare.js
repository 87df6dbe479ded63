// Comparisons: two finished evaluations, two versions of a task's probes, and a
// collection's model with another one that it was embedded with.
import { ask, collectionPath, download } from "./api.js";
import { choice, decimal, el, empty, fill, number, settle, share, toast, when } from "./ui.js";
import { best, estimate, facts, known, measure, present, primary, signed, titled } from "./figures.js";
import { axes, figure, intervals, legend, line, look, rule, text, ticks } from "./plot.js";
import { jobPath, listed, summary } from "./evaluationjob.js";


const cells = (row, header) => el("tr", {}, row.map((c, i) => el(header || i === 0 ? "th" : "td", { scope: header ? "col" : i === 0 ? "row" : null, class: i > 0 ? "figure" : null }, c)));
const grid = (head, rows) => el("div", { class: "scroll" }, el("table", {}, el("thead", {}, cells(head, true)), el("tbody", {}, rows.map((r) => cells(r)))));

// comparing sets two finished evaluations side by side, of any collections.
export function comparing(panel, context) {
	return settle(panel, () => listed(context.signal), (jobs) => {
		const done = jobs.filter((j) => j.state === "done" && !j.result_dropped);
		if (done.length < 2) return empty("Two finished evaluations are needed", `There ${done.length === 1 ? "is one" : "is none"} that the server remembers. Run two, of this or of another collection.`, el("a", { class: "button primary", href: context.href("evaluation") }, "Run one"));
		return pair(context, done);
	}, { what: "Loading evaluations", signal: context.signal });
}

function pair(context, jobs) {
	const wanted = (key, otherwise) => (jobs.some((j) => j.id === context.params.get(key)) ? context.params.get(key) : otherwise.id);
	const state = { a: wanted("a", jobs[1]), b: wanted("b", jobs[0]) }, body = el("div", { class: "stack" });
	const entries = jobs.map((j) => [j.id, `${j.collection} · ${when(j.created)}`]);
	const show = () => {
		context.remember({ part: "compare", ...state });
		return settle(body, () => Promise.all([state.a, state.b].map((id) => ask("GET", jobPath(id), { signal: context.signal }))), ([a, b]) => beside(a.result, b.result), { what: "Loading both", signal: context.signal });
	};
	const pick = (key, label) => choice(label, entries, state[key], (v) => { state[key] = v; show(); }, { id: "compare-" + key });
	const bar = el("section", { class: "card picked" }, pick("a", "First"), pick("b", "Second"));
	naming(bar, jobs, context.signal);
	show();
	return [bar, body];
}

// naming says in the choices what the newest evaluations are.
async function naming(bar, jobs, signal) {
	for (const job of jobs.slice(0, 8)) {
		const words = await summary(job.id, signal).catch(() => "");
		if (signal.aborted) return;
		for (const option of bar.querySelectorAll("option")) if (option.value === job.id) option.textContent = `${job.collection} · ${when(job.created)} · ${words}`;
	}
}

// beside compares the best methods of two evaluations, or methods that are chosen.
function beside(a, b) {
	const name = primary(a.results), at = { a: Math.max(0, best(a.results, name)), b: Math.max(0, best(b.results, name)) }, body = el("div", { class: "stack" });
	const show = () => fill(body, sideBySide(a, b, a.results[at.a], b.results[at.b]));
	const pick = (key, e) => choice("Method", e.results.map((r, i) => [String(i), titled(e, r)]), String(at[key]), (v) => { at[key] = Number(v); show(); }, { "aria-label": `Method of the ${key === "a" ? "first" : "second"}` });
	show();
	return [el("div", { class: "beside" }, [[a, "a", "First"], [b, "b", "Second"]].map(([e, key, title]) => el("section", { class: "card" }, el("h2", {}, `${title}: ${e.task} in ${e.collection}`), el("ul", { class: "facts" }, facts(e).slice(1).map((f) => el("li", {}, f))), pick(key, e)))), unlike(a, b), body];
}

// unlike says what makes two evaluations differ beside their methods.
function unlike(a, b) {
	const all = [["the tasks", (e) => e.task], ["the collections", (e) => e.collection], ["the images", (e) => `${e.data.images} of ${e.data.patients}`], ["the labels", (e) => e.data.label_watermark], ["the models", (e) => e.fingerprint], ["the seeds", (e) => e.data.seed], ["the folds", (e) => e.data.folds]].filter(([, of]) => String(of(a)) !== String(of(b))).map(([what]) => what);
	return el("p", { class: "muted" }, all.length > 0 && `They differ in ${all.join(", ")}. `, "No interval of a difference is given, as the two were resampled apart: evaluate with both networks in one run for that (More, Compare with networks).");
}

// told are the measures that are drawn beside the table.
const told = ["auc_macro", "average_precision", "sensitivity_at_90_specificity", "balanced_accuracy", "f1"];

function sideBySide(a, b, ra, rb) {
	const names = present(ra.measures ?? [], rb.measures ?? []).filter((n) => measure(ra, n) && measure(rb, n));
	const table = grid(["Measure", "First", "Second", "Second less first"], names.map((n) => [known(n).short, estimate(measure(ra, n)), estimate(measure(rb, n)), signed(measure(rb, n).value - measure(ra, n).value)]));
	const shared = (a.classes ?? []).filter((c) => (b.classes ?? []).includes(c));
	return [el("section", { class: "card" }, el("h2", {}, `${titled(a, ra)} beside ${titled(b, rb)}`), names.length > 0 ? table : el("p", { class: "muted" }, "They have no measure in common.")),
		el("div", { class: "plots" }, both(names.filter((n) => told.includes(n)), ra, rb), shared.length > 0 && rocs(shared, ra, rb))];
}

function both(names, ra, rb) {
	if (names.length === 0) return null;
	const rows = names.flatMap((n) => [{ name: known(n).short, heading: true }, { ...measure(ra, n), name: "first", note: estimate(measure(ra, n)), series: 0 }, { ...measure(rb, n), name: "second", note: estimate(measure(rb, n)), series: 1 }]);
	return figure({ name: "compare-figures", title: "Figures of both", draw: (ink) => intervals(ink, { rows, label: "Value with its 95 % interval", nameWidth: 146 }), label: `Figures of both: ${names.map((n) => `${known(n).short} ${estimate(measure(ra, n))} and ${estimate(measure(rb, n))}`).join("; ")}.` });
}

function rocs(shared, ra, rb) {
	const rarest = [...shared].reverse().sort((x, y) => count(ra, x) - count(ra, y))[0], of = (r) => (r.classes ?? []).find((c) => c.class === rarest), all = [[of(ra), "first"], [of(rb), "second"]].filter(([c]) => c?.roc?.length > 1), size = { width: 460, height: 380 };
	if (all.length === 0) return null;
	const unit = { from: 0, to: 1, ticks: [0, 0.2, 0.4, 0.6, 0.8, 1] };
	const draw = (ink) => {
		const f = axes(ink, { ...size, x: { label: "1 − specificity", ...unit }, y: { label: "Sensitivity", ...unit } });
		f.nodes.push(rule(f.x(0), f.y(0), f.x(1), f.y(1), ink.muted, 1, "3 4"), all.map(([c], i) => line(f, c.roc, look(ink, i))), legend(ink, f.left + 110, f.bottom - 33, all.map(([c, name], i) => ({ name: `${name} · AUC ${estimate(measure(c, "auc"))}`, ...look(ink, i) })), { width: 275 }));
		return { nodes: f.nodes.flat(3), ...size };
	};
	return figure({ name: "compare-roc", title: `ROC curves of ${rarest}`, draw, label: `ROC curves of ${rarest}: ${all.map(([c, name]) => `the ${name} has an AUC of ${estimate(measure(c, "auc"))}`).join(", ")}.`, table: { head: ["Of", "1 − specificity", "Sensitivity"], rows: all.flatMap(([c, name]) => c.roc.map((p) => [name, p.x, p.y])) } });
}

const count = (r, name) => (r.classes ?? []).find((c) => c.class === name)?.n ?? 0;

// probing sets two versions of a task's probes side by side.
export function probing(panel, context) {
	return settle(panel, () => ask("GET", collectionPath(context.name, "probes"), { signal: context.signal }), ({ probes }) => {
		const some = (probes ?? []).filter((p) => (p.versions ?? []).length > 0);
		if (some.length === 0) return empty("There is no version of a probe yet", "The server makes one by itself once a task has enough labels, and others as labels change; the label view shows how far that is.", el("a", { class: "button", href: context.href("label") }, "Label images"));
		return versions(context, some);
	}, { what: "Loading probes", signal: context.signal });
}

function versions(context, probes) {
	const body = el("div", { class: "stack" }), bar = el("section", { class: "card row" }), state = {};
	const show = () => {
		context.remember({ part: "probes", ...state });
		return settle(body, () => ask("GET", collectionPath(context.name, "probes", state.task, "compare"), { query: { a: state.a, b: state.b }, signal: context.signal }), twoVersions, { what: "Comparing", signal: context.signal });
	};
	const task = (name) => {
		const p = probes.find((o) => o.task === name) ?? probes[0], all = [...p.versions].sort((a, b) => b - a).map(String), asked = (key, otherwise) => (all.includes(context.params.get(key)) ? context.params.get(key) : otherwise);
		Object.assign(state, { task: p.task, a: asked("a", all[1] ?? all[0]), b: asked("b", all[0]) });
		const entries = all.map((v) => [v, `${v}${Number(v) === p.answering ? " (answers)" : ""}${Number(v) === p.pinned ? " (pinned)" : ""}`]), pick = (key, label) => choice(label, entries, state[key], (v) => { state[key] = v; show(); }, { id: "version-" + key });
		fill(bar, choice("Task", probes.map((o) => [o.task, o.task]), p.task, task, { id: "version-task" }), pick("a", "First version"), pick("b", "Second version"), all.length === 1 && el("span", { class: "muted small" }, "There is one version so far; another is made as labels change."));
		return show();
	};
	task(context.params.get("task"));
	return [bar, body];
}

function twoVersions({ versions: [a, b], heads }) {
	const of = (v) => [["Made", when(v.made)], ["Labelled images", number(v.tuning.examples)], ["Patients", number(v.tuning.patients)], ["Classes", (v.tuning.classes ?? []).join(", ")],
		...["ridge", "softmax"].flatMap((h) => [[`${h}: regularisation`, v.tuning[h] ? v.tuning[h].lambda.toPrecision(3) : v.tuning.without_softmax || "–"], [`${h}: out-of-patient log loss`, decimal(v.tuning[h]?.log_loss)]]),
		["Votes: k", v.tuning.voting ? String(v.tuning.voting.k || "all") : "–"], ["Better probe", v.tuning.better]];
	const left = of(a), right = of(b ?? a);
	return [el("section", { class: "card" }, el("h2", {}, "How often both predict the same"), el("div", { class: "tiles" }, (heads ?? []).map((h) => el("div", {}, el("span", { class: "muted" }, h.head), el("b", {}, h.problem ? "–" : share(h.share, 1)), el("small", { class: "muted" }, h.problem || `${number(h.same)} of ${number(h.instances)} labelled images`))))),
		el("section", { class: "card" }, el("h2", {}, "What was chosen and what it reaches"), grid(["What", `Version ${a.version}`, `Version ${(b ?? a).version}`], left.map(([name, value], i) => [name, value, right[i][1]])), el("p", { class: "muted small" }, "Log loss is of patients that the probe had not seen; less is better. Versions know different labels, so that it is no strict comparison."))];
}

// remodelling is how a collection's model and another one agree, if it was embedded again.
export function remodelling(panel, context) {
	return settle(panel, () => ask("GET", collectionPath(context.name, "reembedding"), { signal: context.signal }).catch((err) => { if (err.status === 404) return null; throw err; }), (r) => {
		if (!r) return empty("No other model stands behind this collection", "Embed it with another model beside the one that answers, and what both say is compared here before anything changes.", el("pre", { tabindex: 0 }, `nearcase reindex --model NAME ${context.name}`));
		const head = el("section", { class: "card" }, el("h2", {}, `${r.model} and ${r.other_model}`), el("ul", { class: "facts" }, [`state: ${r.state}`, `${number(r.done)} of ${number(r.instances)} embedded`, r.missing > 0 && `${number(r.missing)} will be missing`, r.behind > 0 && `${number(r.behind)} log entries behind`].filter(Boolean).map((f) => el("li", {}, f))),
			r.state === "embedding" && el("progress", { max: 1, value: r.instances > 0 ? r.done / r.instances : 0, "aria-label": "Embedded" }));
		return r.report ? [head, agreement(context, r.report)] : [head, el("p", { class: "muted" }, "There is no report yet: it is made when all is embedded.")];
	}, { what: "Loading the other model", signal: context.signal });
}

function agreement(context, a) {
	const { overlap, before, after } = a;
	return [el("section", { class: "card tiles" }, el("div", {}, el("span", { class: "muted" }, `Nearest ${overlap.k} in common`), el("b", {}, share(overlap.mean.value, 1)), el("small", { class: "muted" }, `${share(overlap.mean.low, 1)} to ${share(overlap.mean.high, 1)}, of ${number(overlap.sampled)} images`)),
		[before, after].map((s) => el("div", {}, el("span", { class: "muted" }, s.model), el("b", {}, s.milliseconds_per_image > 0 ? `${decimal(s.milliseconds_per_image, 1)} ms` : "–"), el("small", { class: "muted" }, `an image, ${number(s.dimension)} dimensions`)))),
	el("div", { class: "plots" }, common(overlap), (a.tasks ?? []).map((t) => taskAgreement(context, a, t)))];
}

// common are the images by how many of their nearest cases both models agree on.
function common({ images, k, mean }) {
	const most = Math.max(1, ...images), size = { width: 460, height: 300 };
	const draw = (ink) => {
		const f = axes(ink, { ...size, x: { label: `Of the ${k} nearest, in common`, from: -0.5, to: k + 0.5, ticks: images.map((_, i) => i), format: String }, y: { label: "Images", from: 0, to: most * 1.1, ticks: ticks(0, most).filter(Number.isInteger), format: number } });
		images.forEach((n, i) => f.nodes.push(n > 0 && rule(f.x(i), f.bottom, f.x(i), f.y(n), look(ink, 0).colour, 22), n > 0 && text(ink, f.x(i), f.y(n) - 4, number(n), { anchor: "middle", size: 10.5 })));
		return { nodes: f.nodes.filter(Boolean), ...size };
	};
	return figure({ name: "overlap", title: "Cases that both models find", draw, label: `Of the ${k} nearest cases the models have ${share(mean.value, 1)} in common.`, table: { head: ["In common", "Images"], rows: images.map((n, i) => [String(i), number(n)]) } });
}

function taskAgreement(context, a, t) {
	if (t.problem) return el("div", { class: "plot card" }, el("h3", {}, t.task), el("p", { class: "muted" }, t.problem));
	const rows = (t.auc ?? []).flatMap((u) => [{ name: `${u.method}${u.class ? `, ${u.class}` : ", mean"}`, heading: true }, { name: a.before.model, ...u.before, note: estimate(u.before), series: 0 }, { name: a.after.model, ...u.after, note: estimate(u.after), series: 1 }]);
	const flips = (f, name) => `${name}: ${number(f.flipped)} of ${number(f.images)} images are predicted otherwise (${share(f.share.value, 1)})`, file = `reembedding-${a.collection}-${t.task}.html`.replace(/[^\w.-]+/g, "-");
	const get = () => download("GET", collectionPath(context.name, "reembedding"), file, { query: { task: t.task }, headers: { Accept: "text/html" }, signal: context.signal }).catch((err) => toast(err.message, { kind: "bad" }));
	const box = figure({ name: `agreement-${t.task}`.replace(/[^\w.-]+/g, "-"), title: `AUC of ${t.task} with both models`, draw: (ink) => intervals(ink, { rows, label: "AUC" }), label: `AUC with both models: ${(t.auc ?? []).map((u) => `${u.method} ${u.class ?? "mean"} ${signed(u.difference.value)}`).join(", ")}.`, note: [flips(t.votes, "Votes"), flips(t.probe, "Probe")].join(". ") + ".",
		table: { head: ["Method", "Before", "After", "Difference", "95 % interval"], rows: (t.auc ?? []).map((u) => [`${u.method}, ${u.class ?? "mean"}`, decimal(u.before.value), decimal(u.after.value), signed(u.difference.value), `${signed(u.difference.low)} to ${signed(u.difference.high)}`]) } });
	box.append(el("div", { class: "row" }, el("button", { type: "button", onclick: get }, "Report (HTML)"), el("details", {}, el("summary", {}, "Images that are predicted otherwise"), el("ul", { class: "warnings" }, [...(t.votes.examples ?? []), ...(t.probe.examples ?? [])].slice(0, 20).map((x) => el("li", {}, el("a", { href: context.href("query", { instance: x.id }) }, x.id.slice(0, 8)), ` is ${(x.truth ?? []).join(", ")}; ${(x.before ?? []).join(", ") || "none"} becomes ${(x.after ?? []).join(", ") || "none"}`))))));
	return box;
}
