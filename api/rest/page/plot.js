// Plots as SVG: axes, lines, marks and intervals. A plot is drawn by a function of an
// ink, the colours of the page's theme or those of print, so that a plot that is saved
// stands alone: its fonts and colours are attributes, for white paper.
import { decimal, el, svg } from "./ui.js";
import { save } from "./api.js";

const theme = (name) => `var(--${name})`;

// inks are the colours that plots are drawn in: the page's, and print's.
export const inks = {
	page: { text: theme("text"), muted: theme("muted"), grid: theme("line"), ground: theme("surface"), series: [0, 1, 2, 3, 4, 5, 6, 7].map((i) => theme("series-" + i)) },
	print: { text: "#17202a", muted: "#51606e", grid: "#d5dce3", ground: "#ffffff", series: ["#0a5ea8", "#a35400", "#11704f", "#7a6500", "#9c3a7c", "#b3401e", "#4a52b8", "#4c5a66"] },
};
const dashes = ["", "7 4", "2 3", "10 3 2 3"];
const shapes = ["circle", "square", "diamond", "triangle"];

// Series differ by colour, dash and shape, so that none is told by colour alone.
export const look = (ink, i) => ({ colour: ink.series[i % ink.series.length], dash: dashes[i % dashes.length], shape: shapes[i % shapes.length] });

const px = (x) => Math.round(x * 10) / 10;

// text writes at a place; options are size, anchor, colour, weight, turn (degrees).
export function text(ink, x, y, words, { size = 12, anchor = "start", colour = ink.text, weight = 400, turn } = {}) {
	return svg("text", { x: px(x), y: px(y), "font-size": size, "text-anchor": anchor, fill: colour, "font-weight": weight, transform: turn && `rotate(${turn} ${px(x)} ${px(y)})` }, words);
}

export const rule = (x1, y1, x2, y2, colour, width = 1, dash = "") =>
	svg("path", { d: `M${px(x1)} ${px(y1)}L${px(x2)} ${px(y2)}`, stroke: colour, "stroke-width": width, "stroke-dasharray": dash || null, fill: "none" });

// mark is a shape about a place; hollow shows the ground through it.
export function mark(ink, x, y, { colour, shape = "circle", size = 4.5, hollow = false } = {}) {
	const paint = { fill: hollow ? ink.ground : colour, stroke: hollow ? colour : ink.ground, "stroke-width": hollow ? 2 : 1.2 };
	const corners = { square: [[-1, -1], [1, -1], [1, 1], [-1, 1]], diamond: [[0, -1.35], [1.35, 0], [0, 1.35], [-1.35, 0]], triangle: [[0, -1.3], [1.25, 0.95], [-1.25, 0.95]] }[shape];
	if (!corners) return svg("circle", { cx: px(x), cy: px(y), r: size, ...paint });
	return svg("path", { d: "M" + corners.map(([dx, dy]) => `${px(x + dx * size)} ${px(y + dy * size)}`).join("L") + "Z", ...paint });
}

// scale maps values to lengths: linear, or logarithmic with log.
function scale({ from, to, log }, start, end) {
	const f = log ? Math.log : (v) => v, span = f(to) - f(from) || 1;
	return (v) => start + ((f(v) - f(from)) / span) * (end - start);
}

// ticks are about so many round values in a range.
export function ticks(from, to, count = 5) {
	const raw = (to - from) / count || 1, power = 10 ** Math.floor(Math.log10(raw));
	const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
	const found = [];
	for (let v = Math.ceil(from / step - 1e-9) * step; v <= to + step * 1e-6; v += step) found.push(Math.abs(v) < step * 1e-6 ? 0 : v);
	return found;
}

// around is a range that holds all values with a little room, within bounds.
export function around(values, least = -Infinity, most = Infinity) {
	const low = Math.min(...values), high = Math.max(...values), room = Math.max((high - low) * 0.08, 0.01);
	return { from: Math.max(least, low - room), to: Math.min(most, high + room) };
}

// short writes a tick with no more digits than it needs.
export const short = (v) => String(Number(v.toFixed(4)));

// axes draws a frame with quiet gridlines: x and y are {label, from, to, log, ticks,
// format}. It returns {nodes, x, y, left, right, top, bottom}, x and y being functions
// from values to places.
export function axes(ink, { width, height, x, y, left = 48, right = 14, top = 10, bottom = 42 }) {
	const f = { left, right: width - right, top, bottom: height - bottom };
	f.x = scale(x, f.left, f.right);
	f.y = scale(y, f.bottom, f.top);
	f.nodes = [];
	for (const v of y.ticks ?? ticks(y.from, y.to)) {
		f.nodes.push(rule(f.left, f.y(v), f.right, f.y(v), ink.grid), text(ink, f.left - 7, f.y(v) + 4, (y.format ?? short)(v), { anchor: "end", colour: ink.muted }));
	}
	for (const v of x.ticks ?? ticks(x.from, x.to)) {
		f.nodes.push(rule(f.x(v), f.top, f.x(v), f.bottom, ink.grid), text(ink, f.x(v), f.bottom + 17, (x.format ?? short)(v), { anchor: "middle", colour: ink.muted }));
	}
	f.nodes.push(rule(f.left, f.bottom, f.right, f.bottom, ink.muted), rule(f.left, f.top, f.left, f.bottom, ink.muted),
		text(ink, (f.left + f.right) / 2, height - 6, x.label, { anchor: "middle", size: 12.5 }));
	if (y.label) f.nodes.push(text(ink, 13, (f.top + f.bottom) / 2, y.label, { anchor: "middle", size: 12.5, turn: -90 }));
	return f;
}

// line joins points {x, y} of a frame; with steps as staircases.
export function line(f, points, { colour, dash = "", width = 2.2, steps = false }) {
	let d = "";
	points.forEach((p, i) => { d += (i === 0 ? "M" : steps ? `H${px(f.x(p.x))}V` : "L") + (i > 0 && steps ? px(f.y(p.y)) : `${px(f.x(p.x))} ${px(f.y(p.y))}`); });
	return svg("path", { d, fill: "none", stroke: colour, "stroke-width": width, "stroke-dasharray": dash || null, "stroke-linejoin": "round" });
}

// whisker is a range {x, low, high} of a frame, moved aside by some pixels.
export const whisker = (f, p, colour, aside = 0) => rule(f.x(p.x) + aside, f.y(p.low), f.x(p.x) + aside, f.y(p.high), colour, 1.6);

// legend names series at a place, one below the other: {name, colour, dash, shape, hollow}.
// A box behind them hides what they would lie on.
export function legend(ink, x, y, entries, { width = 0, lines = true } = {}) {
	const room = width || Math.max(0, ...entries.map((e) => e.name.length)) * 6.6 + 44;
	return [svg("rect", { x: px(x - 6), y: px(y - 14), width: px(room), height: entries.length * 18 + 6, rx: 4, fill: ink.ground, "fill-opacity": 0.88 }),
		entries.map((e, i) => [lines && !e.mark && rule(x, y + i * 18 - 4, x + 24, y + i * 18 - 4, e.colour, 2.2, e.dash),
			(e.mark || !lines) && mark(ink, x + 12, y + i * 18 - 4, { colour: e.colour, shape: e.shape, hollow: e.hollow }), text(ink, x + 31, y + i * 18, e.name)])];
}

// intervals draws rows one below the other, each a mark at its value and a line from low
// to high: {name, value, low, high, note, series, heading, hollow}. A heading has only a
// name. reference is a value with a line of its own.
export function intervals(ink, { rows, width = 470, label, reference, range, nameWidth = 124, noteWidth = 156 }) {
	const values = rows.filter((r) => !r.heading).flatMap((r) => [r.value, r.low, r.high]).concat(reference ?? []).filter(Number.isFinite);
	const step = 24, height = rows.length * step + 56, span = range ?? around(values);
	const f = { left: nameWidth, right: width - noteWidth, top: 6, bottom: height - 44 };
	f.x = scale(span, f.left, f.right);
	const nodes = ticks(span.from, span.to, 4).map((v) => [rule(f.x(v), f.top, f.x(v), f.bottom, ink.grid), text(ink, f.x(v), f.bottom + 17, short(v), { anchor: "middle", colour: ink.muted })]);
	nodes.push(rule(f.left, f.bottom, f.right, f.bottom, ink.muted), text(ink, (f.left + f.right) / 2, height - 6, label, { anchor: "middle", size: 12.5 }));
	if (reference !== undefined) nodes.push(rule(f.x(reference), f.top, f.x(reference), f.bottom, ink.muted, 1.4, "4 3"));
	rows.forEach((r, i) => nodes.push(interval(ink, f, r, f.top + i * step + step / 2, width, nameWidth)));
	return { nodes, width, height };
}

function interval(ink, f, r, y, width, nameWidth) {
	const most = Math.floor((nameWidth - (r.heading ? 4 : 14)) / 6.7), name = r.name.length > most ? r.name.slice(0, most - 1) + "…" : r.name;
	if (r.heading) return text(ink, 2, y + 4, name, { weight: 650, colour: ink.muted });
	const { colour, shape } = look(ink, r.series ?? 0);
	const within = (v) => Math.min(f.right, Math.max(f.left, f.x(v)));
	return [svg("g", {}, svg("title", {}, r.name), text(ink, nameWidth - 12, y + 4, name, { anchor: "end" })),
		Number.isFinite(r.low) && rule(within(r.low), y, within(r.high), y, colour, 2.4),
		Number.isFinite(r.value) && mark(ink, f.x(r.value), y, { colour, shape, size: 5, hollow: r.hollow }),
		text(ink, width - 2, y + 4, r.note ?? "", { anchor: "end", colour: ink.muted })];
}

// figure shows a plot with its title, its values as a table behind a summary, and a
// button that saves it. draw(ink) returns {nodes, width, height}; label says the main
// figure to those who do not see it; table is {head, rows} of texts; wide takes two columns.
export function figure({ name, title, label, note, draw, table, wide }) {
	return el("figure", { class: wide ? "plot card wide" : "plot card", data: { plot: name } },
		el("div", { class: "plot-head" }, el("h3", {}, title), el("button", { type: "button", class: "quiet small", "aria-label": `Save ${title} as SVG`, onclick: () => save(standalone(draw(inks.print), title, label), name + ".svg", "image/svg+xml") }, "SVG")),
		shown(draw(inks.page), label), note && el("figcaption", { class: "muted small" }, note), table && values(title, table));
}

const shown = ({ nodes, width, height }, label) => svg("svg", { role: "img", "aria-label": label, viewBox: `0 0 ${width} ${height}` }, nodes);

// values is a table of a plot's figures, which the keyboard can open and scroll.
function values(title, { head, rows }) {
	return el("details", {}, el("summary", {}, "Values"), el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Values of ${title}` },
		el("table", {}, el("thead", {}, el("tr", {}, head.map((h, i) => el("th", { scope: "col", class: i > 0 ? "figure" : null }, h)))),
			el("tbody", {}, rows.map((r) => el("tr", {}, r.map((c, i) => el(i > 0 ? "td" : "th", { class: i > 0 ? "figure" : null, scope: i > 0 ? null : "row" }, typeof c === "number" ? decimal(c) : c))))))));
}

// standalone is a plot as a file of SVG 1.1: with a title, a description, a white ground
// and fonts of its own.
export function standalone({ nodes, width, height }, title, label) {
	const top = 30, whole = svg("svg", { width, height: height + top, viewBox: `0 0 ${width} ${height + top}`, "font-family": "Helvetica, Arial, 'Liberation Sans', sans-serif" },
		svg("title", {}, title), svg("desc", {}, label), svg("rect", { width, height: height + top, fill: "#ffffff" }),
		text(inks.print, 8, 20, title, { size: 14, weight: 650 }), svg("g", { transform: `translate(0 ${top})` }, nodes));
	return '<?xml version="1.0" encoding="UTF-8"?>\n' + new XMLSerializer().serializeToString(whole) + "\n";
}
