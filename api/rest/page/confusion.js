// The confusion matrix as a heat map of buttons, and the cases behind a cell.
import { save } from "./api.js";
import { alt, shortId, thumbImage } from "./thumb.js";
import { announce, decimal, el, fill, number, share, svg } from "./ui.js";
import { inks, rule, standalone, text } from "./plot.js";
import { outcomes, titled } from "./figures.js";
import { percent } from "./words.js";

// matrixOf is what a method predicted of what is true: {names, counts, finding}, or null
// where nothing is known.
function matrixOf(e, r, name) {
	if (!e.multi_label) return r.confusion ? { names: e.classes, counts: r.confusion, finding: "" } : null;
	const of = (r.classes ?? []).find((c) => c.class === name), counts = of && outcomes(of);
	return counts ? { names: [name, `no ${name}`], counts, finding: name } : null;
}

// confusion shows the matrix of a method, of one finding of a multi-label task. chosen(cell)
// hears of a click or Enter on a cell: {matrix, truth, predicted, n}.
export function confusion(e, r, name, chosen) {
	const m = matrixOf(e, r, name), title = e.multi_label ? `Confusion of ${name}` : "Confusion matrix";
	if (!m) return el("div", { class: "plot card" }, el("h3", {}, title), el("p", { class: "muted" }, "There is none of this method."));
	const total = m.counts.flat().reduce((a, b) => a + b, 0), right = m.counts.reduce((a, row, i) => a + row[i], 0), label = `${title} of ${titled(e, r)}: ${number(right)} of ${number(total)} predicted rightly.`;
	const table = el("table", { class: "heat", style: { "--classes": m.names.length }, role: "grid", "aria-label": label, onkeydown: (ev) => arrows(ev, table) },
		el("thead", {}, el("tr", {}, el("td", {}), el("th", { scope: "colgroup", colspan: m.names.length, class: "axis" }, "Predicted")),
			el("tr", {}, el("th", { scope: "col", class: "axis" }, "Truth"), m.names.map((n) => el("th", { scope: "col" }, n)))),
		el("tbody", {}, m.counts.map((row, t) => el("tr", {}, el("th", { scope: "row" }, m.names[t]), row.map((n, p) => el("td", {}, cell(m, t, p, n, row, chosen)))))));
	const save_ = () => save(standalone(drawn(m), `${title} of ${titled(e, r)}`, label), `confusion-${e.task}-${r.method}.svg`.replace(/[^\w.-]+/g, "-"), "image/svg+xml");
	return el("figure", { class: "plot card", data: { plot: "confusion" } }, el("div", { class: "plot-head" }, el("h3", {}, `${title} of ${titled(e, r)}`), el("button", { type: "button", class: "quiet small", "aria-label": `Save ${title} as SVG`, onclick: save_ }, "SVG")),
		el("div", { class: "scroll" }, table), el("figcaption", { class: "muted small" }, `Images, and their share of the row. ${number(right)} of ${number(total)} are on the diagonal, predicted rightly. Choose a cell to see its cases.`));
}

function cell(m, t, p, n, row, chosen) {
	const part = n / Math.max(1, row.reduce((a, b) => a + b, 0));
	return el("button", { type: "button", class: t === p ? "right" : "wrong", style: { "--share": decimal(part, 3) }, tabindex: t === 0 && p === 0 ? 0 : -1, "aria-pressed": "false",
		onclick: (e) => {
			const table = e.currentTarget.closest("table");
			for (const b of table.querySelectorAll("button")) b.setAttribute("aria-pressed", "false");
			e.currentTarget.setAttribute("aria-pressed", "true");
			rove(table, e.currentTarget);
			chosen({ matrix: m, truth: t, predicted: p, n, from: e.currentTarget });
		} }, el("span", { class: "hidden" }, `${m.names[t]} predicted as ${m.names[p]}: `), el("b", {}, number(n)), el("span", { class: "hidden" }, " images, "), el("small", {}, share(part)));
}

function rove(table, to) {
	for (const b of table.querySelectorAll("button")) b.tabIndex = b === to ? 0 : -1;
	to.focus();
}

function arrows(e, table) {
	const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[e.key];
	const rows = [...table.tBodies[0].rows].map((r) => [...r.querySelectorAll("button")]), at = rows.findIndex((r) => r.includes(e.target));
	if (!step || at < 0) return;
	e.preventDefault();
	const to = rows[at + step[0]]?.[rows[at].indexOf(e.target) + step[1]];
	if (to) rove(table, to);
}

// drawn is the matrix as a plot for print.
function drawn({ names, counts }) {
	const side = Math.max(54, 76 - names.length * 2), left = 150, ink = inks.print, nodes = [text(ink, left + (names.length * side) / 2, 16, "Predicted", { anchor: "middle" }), text(ink, 8, 40, "Truth")];
	const cut = (n) => (n.length > 20 ? n.slice(0, 19) + "…" : n);
	names.forEach((n, i) => nodes.push(text(ink, left + i * side + side / 2, 40, n.length > side / 7 ? n.slice(0, side / 7 - 1) + "…" : n, { anchor: "middle", colour: ink.muted }), text(ink, left - 8, 52 + i * side + side / 2, cut(n), { anchor: "end" })));
	counts.forEach((row, t) => row.forEach((n, p) => {
		const part = n / Math.max(1, row.reduce((a, b) => a + b, 0));
		nodes.push(svg("rect", { x: left + p * side, y: 48 + t * side, width: side - 2, height: side - 2, fill: t === p ? ink.series[0] : ink.series[5], "fill-opacity": (part * 0.5).toFixed(3), stroke: ink.grid }),
			text(ink, left + p * side + side / 2, 48 + t * side + side / 2 + 2, number(n), { anchor: "middle", size: 14, weight: 650 }), text(ink, left + p * side + side / 2, 48 + t * side + side / 2 + 18, share(part), { anchor: "middle", size: 10.5, colour: ink.muted }));
	}));
	nodes.push(rule(left, 46, left + names.length * side - 2, 46, ink.muted));
	return { nodes, width: left + names.length * side + 10, height: 60 + names.length * side };
}

// cases shows the cases of a cell in a box, some at a time, until it is closed or another
// cell is shown there. anew evaluates once more where the evaluation was not asked
// to list them.
export function cases(box, context, e, r, { matrix, truth, predicted, n, from }, anew) {
	shown.get(box)?.abort();
	const stop = new AbortController(), signal = AbortSignal.any([context.signal, stop.signal]);
	shown.set(box, stop);
	const title = `${matrix.names[truth]} predicted as ${matrix.names[predicted]}`, heading = el("h2", { tabindex: -1 }, title);
	const close = () => { stop.abort(); box.hidden = true; from.focus(); };
	const cell = (e.cells ?? []).find((c) => c.model === r.model && c.method === r.method && (c.class ?? "") === matrix.finding && c.truth === truth && c.predicted === predicted), listed = cell?.cases ?? [];
	const said = n === 0 ? "No image was predicted so." : !e.cells ? "This evaluation was not asked to list the cases of its cells." : listed.length < n ? `The surest ${number(listed.length)} of ${number(n)}.` : "The surest first.";
	fill(box, el("div", { class: "plot-head" }, heading, el("span", { class: "muted" }, `${number(n)} ${n === 1 ? "image" : "images"}`), el("button", { type: "button", class: "quiet", onclick: close }, "Close")),
		el("p", { class: "muted small" }, said), n > 0 && !e.cells && el("div", { class: "row" }, el("button", { type: "button", onclick: ({ currentTarget: button }) => { button.disabled = true; anew().finally(() => { button.disabled = false; }); } }, "Evaluate once more, with cases")),
		gallery(listed, context, signal));
	box.hidden = false;
	box.onkeydown = (ev) => { if (ev.key === "Escape") close(); };
	heading.focus({ preventScroll: true });
	box.scrollIntoView({ block: "nearest" });
	announce(`${title}: ${said}`);
}

const shown = new WeakMap(), atOnce = 60; // what ends the cases of a box; cases that are shown together

// gallery is a list of cases, each a thumbnail that leads to its query, the first of them
// until more are asked for.
function gallery(all, context, signal) {
	const list = el("ul", { class: "gallery" }), more = el("button", { type: "button", onclick: () => { const at = list.childElementCount; add(); list.children[at].querySelector("a").focus(); } }, "Show more");
	const add = () => {
		list.append(...all.slice(list.childElementCount, list.childElementCount + atOnce).map((c) => el("li", {},
			el("a", { href: context.href("query", { instance: c.id }), "aria-label": `Query with case ${shortId(c.id)}` }, thumbImage(context.name, c.id, alt(c.id), 112, signal)), c.probability !== undefined && el("small", {}, percent(c.probability)))));
		more.hidden = list.childElementCount === all.length;
	};
	add();
	return [list, more];
}
