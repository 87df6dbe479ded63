// A map as a file: picture, drawing or table.
import { save } from "./api.js";
import { css, named, token, unknown } from "./mapgroups.js";
import { svg } from "./ui.js";

// saveMap saves what a map shows. of is {plot, name, ids, xs, ys, task, grouping, axes}.
export function saveMap(kind, of) {
	if (kind === "png") return of.plot.canvas.toBlob((blob) => save(blob, of.name + ".png"));
	if (kind === "csv") return save(table(of), of.name + ".csv", "text/csv");
	return save(new XMLSerializer().serializeToString(drawing(of)), of.name + ".svg", "image/svg+xml");
}

// table has a line for each point, as RFC 4180 has it. A text that a spreadsheet
// would take for a formula is led by an apostrophe.
function table({ ids, xs, ys, task }) {
	const cell = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? "'" + text : text).replaceAll('"', '""')}"`;
	const of = (n) => (n === unknown ? "" : cell(named(task, n)));
	const lines = ids.map((id, i) => [cell(id), xs[i], ys[i], ...(task ? [of(task.labels[i]), of(task.predictions[i])] : [])].join(","));
	return [["id", "x", "y", ...(task ? ["label", "prediction"] : [])].join(","), ...lines, ""].join("\r\n");
}

// drawing has the points in view, with axes and legend.
function drawing({ plot, xs, ys, grouping, axes }) {
	const { clientWidth: width, clientHeight: height } = plot.canvas, r = Math.max(1, plot.size() / plot.density);
	const marks = grouping.names.map(() => []);
	for (let i = 0; i < xs.length; i++) {
		const [x, y] = plot.on(xs[i], ys[i]);
		if (plot.seen(i) && x >= 0 && y >= 0 && x <= width && y <= height) marks[grouping.groups[i]].push(`M${x.toFixed(1)} ${y.toFixed(1)}h0`);
	}
	const shown = grouping.names.map((name, g) => [name, g]).filter(([, g]) => marks[g].length > 0);
	return svg("svg", { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height + 30 + 22 * shown.length}`, "font-family": "sans-serif", "font-size": 13 },
		svg("rect", { width: "100%", height: "100%", fill: token("ground") }),
		shown.map(([, g]) => svg("path", { d: marks[g].join(""), stroke: css(grouping.colours[g]), "stroke-width": (2 * r).toFixed(1), "stroke-linecap": "round", fill: "none" })),
		svg("text", { x: 8, y: height + 18, fill: token("muted") }, axes.filter(Boolean).join(" · ")),
		shown.map(([name, g], row) => [
			svg("circle", { cx: 14, cy: height + 36 + 22 * row, r: 6, fill: css(grouping.colours[g]) }),
			svg("text", { x: 28, y: height + 40 + 22 * row, fill: token("text") }, `${name} (${grouping.counts[g]})`)]));
}
