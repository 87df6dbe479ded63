// What the points of a map are told apart by: groups with a name and a colour.
import { colourOf } from "./ui.js";
import { mixed, rgb } from "./mapcanvas.js";

// What labels and predictions are beside the numbers of classes, and what each is called.
export const unknown = -1;
const nothingPresent = -2, ofNone = "none of these"; // of a multi-label task
export const named = (task, n) => (n === nothingPresent ? ofNone : task.classes[n]);

export const ways = [["label", "Label"], ["prediction", "Prediction of the probe"], ["disagreement", "Label against prediction"]];

// grouped gives each point of a task its group, as {groups, names, colours, counts};
// the last group is of those of which nothing is known. task may be undefined.
export function grouped(task, way, n) {
	const by = task && way === "disagreement" ? disagreement(task) : task ? classes(task, way) : { names: ["all"], colour: () => "muted", of: () => 0 };
	const groups = new Uint16Array(n), counts = by.names.map(() => 0);
	for (let i = 0; i < n; i++) counts[groups[i] = by.of(i)]++;
	return { groups, names: by.names, counts, colours: by.names.map((name, g) => ink(by.colour(name, g))) };
}

function classes(task, way) {
	const values = way === "prediction" ? task.predictions : task.labels, n = task.classes.length;
	const names = [...task.classes, ...task.multi ? [ofNone] : [], way === "prediction" ? "no prediction" : "no label"];
	return {
		names, colour: (name, g) => (g < n ? colourOf(task.classes, name) : g === names.length - 1 ? "edge" : "muted"),
		of: (i) => (values[i] >= 0 ? values[i] : values[i] === nothingPresent ? n : names.length - 1),
	};
}

function disagreement(task) {
	return {
		names: ["they disagree", "they agree", "not both known"], colour: (_, g) => ["bad", "accent", "edge"][g],
		of: (i) => (task.labels[i] === unknown || task.predictions[i] === unknown ? 2 : task.labels[i] === task.predictions[i] ? 1 : 0),
	};
}

// ink is a colour for the ground there is: those of classes are made for a dark one,
// names are those of the page's own.
function ink(colour) {
	const hex = colour.startsWith("#") ? colour : token(colour), light = document.documentElement.dataset.theme === "light";
	return light && colour.startsWith("#") ? mixed(rgb(hex), [0, 0, 0], 0.3) : rgb(hex);
}

// token is one of the page's colours as it is now.
export const token = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

export const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;

// spread says of each group how many points it has, how far they are from their
// middle on average, and which other group's middle is nearest and how far.
export function spread({ groups, names, counts }, xs, ys) {
	const middles = names.map(() => [0, 0]);
	for (let i = 0; i < xs.length; i++) {
		middles[groups[i]][0] += xs[i] / counts[groups[i]];
		middles[groups[i]][1] += ys[i] / counts[groups[i]];
	}
	const from = names.map(() => 0);
	for (let i = 0; i < xs.length; i++) from[groups[i]] += Math.hypot(xs[i] - middles[groups[i]][0], ys[i] - middles[groups[i]][1]) / counts[groups[i]];
	return names.map((name, g) => {
		const others = middles.map(([x, y], o) => [Math.hypot(x - middles[g][0], y - middles[g][1]), names[o], o]).filter(([, , o]) => o !== g && counts[o] > 0);
		const [gap, other] = others.sort((a, b) => a[0] - b[0])[0] ?? [NaN, ""];
		return { name, count: counts[g], mean: counts[g] ? from[g] : NaN, other, gap: counts[g] ? gap : NaN };
	});
}
