// The plots of an evaluation's report. Each takes what it draws and returns a figure, or
// a sentence where there is nothing to draw.
import { decimal, el, number, share } from "./ui.js";
import { around, axes, figure, intervals, legend, line, look, mark, rule, text, whisker } from "./plot.js";
import { difference, estimate, excludesZero, interval, known, measure, present, signed, titled } from "./figures.js";

const size = { width: 460, height: 380 }, unit = { from: 0, to: 1, ticks: [0, 0.2, 0.4, 0.6, 0.8, 1] };
const absent = (title, why) => el("div", { class: "plot card" }, el("h3", {}, title), el("p", { class: "muted" }, why));
const classOf = (r, name) => (r.classes ?? []).find((c) => c.class === name);
const file = (...parts) => parts.join("-").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 80);

// points are where a method stands for a class, as {x, y, name, shape}.
function rocPoints(of) {
	const value = (name) => measure(of, name)?.value;
	return [["as predicted", 1 - value("specificity"), value("sensitivity"), "circle"], ["at 90 % specificity", 0.1, value("sensitivity_at_90_specificity"), "diamond"],
		["at 90 % sensitivity", 1 - value("specificity_at_90_sensitivity"), 0.9, "triangle"]].map(([name, x, y, shape]) => ({ name, x, y, shape })).filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y));
}

// curves are lines of one kind, chosen first, of a class: results is [[result, series]].
function curves(e, results, name, kind, at) {
	return results.map(([r, series]) => ({ r, series, of: classOf(r, name) })).filter((c) => c.of?.[kind]?.length > 1).map((c) => ({ ...c, title: titled(e, c.r), value: measure(c.of, at) }));
}

// roc is the curve of a class against the rest with the method's operating points.
export function roc(e, results, name) {
	const all = curves(e, results, name, "roc", "auc");
	if (all.length === 0) return absent("ROC curve", `There is no curve of ${name}: it needs images with the class and without.`);
	const points = rocPoints(all[0].of);
	const draw = (ink) => {
		const f = axes(ink, { ...size, x: { label: "1 − specificity", ...unit }, y: { label: "Sensitivity", ...unit } });
		f.nodes.push(rule(f.x(0), f.y(0), f.x(1), f.y(1), ink.muted, 1, "3 4"));
		for (const c of [...all].reverse()) f.nodes.push(line(f, c.of.roc, look(ink, c.series)));
		for (const p of points) f.nodes.push(mark(ink, f.x(p.x), f.y(p.y), { ...look(ink, all[0].series), shape: p.shape, size: 5, hollow: p.shape !== "circle" }));
		const entries = [...all.map((c) => ({ name: `${c.title} · AUC ${estimate(c.value)}`, ...look(ink, c.series) })), ...points.map((p) => ({ name: p.name, mark: true, ...look(ink, all[0].series), shape: p.shape, hollow: p.shape !== "circle" }))];
		f.nodes.push(legend(ink, f.left + 78, f.bottom - 15 - (entries.length - 1) * 18, entries, { width: f.right - f.left - 76 }));
		return { nodes: f.nodes, ...size };
	};
	return figure({ name: file("roc", e.task, name), title: `ROC curve of ${name}`, draw, label: `ROC curve of ${name}: ${all.map((c) => `${c.title} has an AUC of ${estimate(c.value)}`).join(", ")}.`,
		table: { head: ["Method", "1 − specificity", "Sensitivity"], rows: [...points.map((p) => [p.name, p.x, p.y]), ...all.flatMap((c) => c.of.roc.map((p) => [c.title, p.x, p.y]))] } });
}

// pr is the curve of precision by recall, with the prevalence that chance reaches.
export function pr(e, results, name) {
	const all = curves(e, results, name, "pr", "average_precision");
	if (all.length === 0) return absent("Precision and recall", `There is no curve of ${name}.`);
	const { n, known: of } = all[0].of, chance = n / of, at = { x: measure(all[0].of, "sensitivity")?.value, y: measure(all[0].of, "precision")?.value };
	const has = Number.isFinite(at.x) && Number.isFinite(at.y);
	const draw = (ink) => {
		const f = axes(ink, { ...size, x: { label: "Recall (sensitivity)", ...unit }, y: { label: "Precision", ...unit } });
		f.nodes.push(rule(f.left, f.y(chance), f.right, f.y(chance), ink.muted, 1, "3 4"), text(ink, f.right - 4, f.y(chance) - 6, `chance ${decimal(chance, 2)}`, { anchor: "end", colour: ink.muted }));
		for (const c of [...all].reverse()) f.nodes.push(line(f, c.of.pr, look(ink, c.series)));
		if (has) f.nodes.push(mark(ink, f.x(at.x), f.y(at.y), { ...look(ink, all[0].series), shape: "circle", size: 5 }));
		const entries = [...all.map((c) => ({ name: `${c.title} · AP ${estimate(c.value)}`, ...look(ink, c.series) })), ...(has ? [{ name: "as predicted", mark: true, ...look(ink, all[0].series), shape: "circle" }] : [])];
		const falls = Math.min(...all.flatMap((c) => c.of.pr.filter((p) => p.x < 0.75).map((p) => p.y))) < 0.3; // the curve lies where the names would
		f.nodes.push(falls ? legend(ink, f.left + 90, f.top + 20, entries, { width: f.right - f.left - 90 }) : legend(ink, f.left + 16, f.bottom - 15 - (entries.length - 1) * 18, entries, { width: f.right - f.left - 40 }));
		return { nodes: f.nodes, ...size };
	};
	return figure({ name: file("precision-recall", e.task, name), title: `Precision and recall of ${name}`, draw, label: `Precision by recall of ${name}: ${all.map((c) => `${c.title} has an average precision of ${estimate(c.value)}`).join(", ")}; chance reaches ${decimal(chance, 2)}.`,
		table: { head: ["Method", "Recall", "Precision"], rows: all.flatMap((c) => c.of.pr.map((p) => [c.title, p.x, p.y])) } });
}

// reliability sets probabilities beside what is so, over how many images they rest on.
export function reliability(e, r, series) {
	const bins = (r.reliability ?? []).filter((b) => b.n > 0), title = "Reliability", what = e.multi_label ? "Probability of each finding" : "Highest probability of each image";
	if (bins.length === 0) return absent(title, `${titled(e, r)} gives no probabilities. Ridge and softmax do, where each class has enough patients.`);
	const most = Math.max(...bins.map((b) => b.n)), from = e.multi_label ? 0 : Math.min(0.5, Math.floor(bins[0].low * 10) / 10), span = { from, to: 1 };
	const draw = (ink) => {
		const f = axes(ink, { ...size, height: 300, x: { label: "", ...span }, y: { label: "Share that is so", ...unit }, bottom: 24 }), { colour } = look(ink, series);
		f.nodes.push(rule(f.x(from), f.y(from), f.x(1), f.y(1), ink.muted, 1, "3 4"), line(f, bins.map((b) => ({ x: b.confidence, y: b.right })), { colour }));
		for (const b of bins) f.nodes.push(mark(ink, f.x(b.confidence), f.y(b.right), { colour, size: 3 + 3 * Math.sqrt(b.n / most) }));
		return { nodes: [...f.nodes, ...counts(ink, f, bins, most, colour, what)], ...size };
	};
	const ece = measure(r, "ece");
	return figure({ name: file("reliability", e.task, r.method), title: `${title} of ${titled(e, r)}`, draw, label: `Reliability of ${titled(e, r)}: expected calibration error ${estimate(ece)}, over ${number(bins.reduce((a, b) => a + b.n, 0))} probabilities.`,
		note: `ECE ${estimate(ece)}. Below the dashed line probabilities promise too much. Bars count images.`,
		table: { head: ["Probability from", "to", "Images", "Mean probability", "Share that is so"], rows: bins.map((b) => [decimal(b.low, 2), decimal(b.high, 2), number(b.n), b.confidence, b.right]) } });
}

// counts are bars under a reliability diagram, with their numbers where these fit.
function counts(ink, f, bins, most, colour, what) {
	const base = size.height - 30, high = 40;
	return [...bins.map((b) => {
		const x = f.x(Math.max(b.low, 0)), width = Math.max(2, f.x(b.high) - x - 2), tall = (b.n / most) * high;
		return [rule(x + width / 2 + 1, base, x + width / 2 + 1, base - Math.max(1, tall), colour, width), width > 17 && text(ink, x + width / 2 + 1, base - tall - 4, number(b.n), { anchor: "middle", size: 10.5, colour: ink.muted })];
	}), rule(f.left, base, f.right, base, ink.muted), text(ink, (f.left + f.right) / 2, size.height - 8, what, { anchor: "middle", size: 12.5 })];
}

// differences are those of two methods on the same images and resamples, measure by
// measure.
export function differences(e, a, b) {
	const names = present(a.measures ?? [], b.measures ?? []), title = `${titled(e, a)} less ${titled(e, b)}`;
	const all = names.map((name) => ({ name, d: difference(e, a, b, name) })).filter(({ d }) => d);
	if (all.length === 0) return absent(title, "The evaluation has no differences of these two.");
	const rows = all.map(({ name, d }) => ({ name: known(name).short, ...d, note: `${signed(d.value)} (${signed(d.low)} to ${signed(d.high)})`, series: 0, hollow: !excludesZero(d) }));
	const draw = (ink) => intervals(ink, { rows, label: "Difference", reference: 0, width: 760, noteWidth: 190, nameWidth: 170 });
	return figure({ wide: true, name: file("difference", e.task, a.method, b.method), title, draw, label: `${title}: ${all.map(({ name, d }) => `${known(name).short} ${signed(d.value)}, ${excludesZero(d) ? "the interval excludes zero" : "the interval holds zero"}`).join("; ")}.`,
		note: "On the same images and resamples, with 95 % intervals. Filled: the interval excludes zero. Not corrected for the number of comparisons.",
		table: { head: ["Measure", "Difference", "95 % interval", "Better"], rows: all.map(({ name, d }) => [known(name).short, signed(d.value), interval(d), verdict(e, a, b, name, d)]) } });
}

function verdict(e, a, b, name, d) {
	const { better } = known(name);
	if (!excludesZero(d) || better === 0) return "no telling";
	return titled(e, better * d.value > 0 ? a : b);
}

// subgroups sets groups of images beside all of them, by one measure of one method.
export function subgroups(e, r, name) {
	const { short } = known(name), mine = (g) => (g.results ?? []).find((o) => o.model === r.model && o.method === r.method), whole = measure(r, name), rows = [{ ...whole, name: "All", note: `${estimate(whole)}  n ${number(r.n)}`, series: 0 }];
	for (const column of [...new Set(e.subgroups.map((g) => g.column))]) {
		rows.push({ name: column, heading: true });
		for (const g of e.subgroups.filter((o) => o.column === column)) {
			const m = measure(mine(g), name);
			rows.push({ ...m, name: g.value || "not given", note: m ? `${estimate(m)}  n ${number(g.n)}` : `undefined  n ${number(g.n)}`, series: 1, patients: g.patients, n: g.n, estimate: m });
		}
	}
	const groups = rows.filter((g) => g.n);
	const draw = (ink) => intervals(ink, { rows, label: short, reference: whole?.value, width: 760, nameWidth: 190, noteWidth: 215 });
	return figure({ wide: true, name: file("subgroups", e.task, r.method, name), title: `${short} of ${titled(e, r)} by subgroup`, draw, label: `${short} by subgroup: all ${estimate(whole)}; ${groups.map((g) => `${g.name} ${estimate(g.estimate)}`).join(", ")}.`,
		note: "With 95 % intervals; n is the number of images. The dashed line is that of all images. Groups of fewer than 20 images or 10 patients are left out.",
		table: { head: ["Group", "Images", "Patients", short, "95 % interval"], rows: groups.map((g) => [g.name, number(g.n), number(g.patients), decimal(g.estimate?.value), interval(g.estimate)]) } });
}

// learning draws a measure by the number of labels of each class, the ranges as bands.
export function learning(e, name) {
	const all = e.learning.filter((c) => c.measure === name && c.points?.length > 0), { short } = known(name);
	if (all.length === 0) return absent("Learning curve", "There are no points of this measure.");
	const numbers = [...new Set(all.flatMap((c) => c.points.map((p) => p.per_class)))].sort((a, b) => a - b), title = (c) => titled(e, c);
	const draw = (ink) => {
		const f = axes(ink, { ...size, x: { label: "Images of each class, at most", from: numbers[0] * 0.85, to: numbers.at(-1) * 1.15, log: true, ticks: numbers, format: String }, y: { label: short, ...around(all.flatMap((c) => c.points.flatMap((p) => [p.low, p.high])), 0, 1) } });
		all.forEach((c, i) => {
			const points = c.points.map((p) => ({ ...p, x: p.per_class, y: p.value })), style = look(ink, i);
			const aside = 7 * (i - (all.length - 1) / 2);
			f.nodes.push(...points.map((p) => whisker(f, p, style.colour, aside)), line({ ...f, x: (v) => f.x(v) + aside }, points, style), ...points.map((p) => mark(ink, f.x(p.x) + aside, f.y(p.y), { ...style, size: 3.8 })));
		});
		f.nodes.push(legend(ink, f.right - 160, f.bottom - 15 - (all.length - 1) * 18, all.map((c, i) => ({ name: `${title(c)} · ${decimal(c.points.at(-1).value)}`, ...look(ink, i) }))));
		return { nodes: f.nodes, ...size };
	};
	return figure({ name: file("learning", e.task, name), title: `${short} by number of labels`, draw, label: `${short} by number of labels: ${all.map((c) => `${title(c)} from ${decimal(c.points[0].value)} with ${c.points[0].per_class} of each class to ${decimal(c.points.at(-1).value)} with ${c.points.at(-1).per_class}`).join("; ")}.`,
		note: "Whole patients are drawn, five times; lines are means and bars the range.",
		table: { head: ["Method", "Of each class", "Images", short, "Range"], rows: all.flatMap((c) => c.points.map((p) => [title(c), number(p.per_class), number(Math.round(p.examples)), decimal(p.value), `${decimal(p.low)} to ${decimal(p.high)}`])) } });
}

// leaks sets what images divided one by one would have shown beside what is.
export function leaks(e, name) {
	const all = e.leaks.filter((l) => l.measure === name), { short } = known(name);
	if (all.length === 0) return absent("Leak check", "There is none of this measure.");
	const rows = all.flatMap((l) => [{ name: titled(e, l), heading: true }, { name: "patients together", ...l.grouped, note: estimate(l.grouped), series: 0 }, { name: "image by image", ...l.by_image, note: estimate(l.by_image), series: 1, hollow: true }]);
	return figure({ name: file("leak", e.task, name), title: `${short} without regard to patients`, draw: (ink) => intervals(ink, { rows, label: short, nameWidth: 134 }), label: `${short} if patients were on both sides: ${all.map((l) => `${titled(e, l)} would gain ${signed(l.gain.value)} (${interval(l.gain)})`).join("; ")}.`,
		note: "Such figures are often published; they measure in part whether a patient is recognised. They are no performance.",
		table: { head: ["Method", "Patients kept together", "Images one by one", "Gain", "95 % interval"], rows: all.map((l) => [titled(e, l), decimal(l.grouped.value), decimal(l.by_image.value), signed(l.gain.value), interval(l.gain)]) } });
}

// classes sets the classes of one method side by side.
export function classes(e, r, name = "auc") {
	const { short } = known(name), rows = (r.classes ?? []).map((c) => ({ ...measure(c, name), name: c.class, n: c.n, of: c, note: `${measure(c, name) ? estimate(measure(c, name)) : "undefined"}  n ${number(c.n)}`, series: 0 }));
	return figure({ wide: true, name: file("classes", e.task, r.method), title: `${short} of ${titled(e, r)} by class`, draw: (ink) => intervals(ink, { rows, label: short, width: 760, nameWidth: 190, noteWidth: 215 }), label: `${short} by class: ${rows.map((c) => `${c.name} ${c.note}`).join(", ")}.`,
		table: { head: ["Class", "Images", "AUC", "Sensitivity", "Specificity", "Precision", "Prevalence"], rows: rows.map((c) => [c.name, number(c.n), ...["auc", "sensitivity", "specificity", "precision"].map((m) => estimate(measure(c.of, m), 2)), share(c.n / c.of.known)]) } });
}
