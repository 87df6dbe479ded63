// What stands beside a map: legend, what is chosen, and the groups as a table.
import { decimal, el, fill, number } from "./ui.js";
import { css, spread } from "./mapgroups.js";
import { alt, thumb } from "./thumb.js";
import { shapes } from "./mapcanvas.js";

const strip = 24; // thumbnails of what is chosen

// legend has a button for each group that shows and hides it.
export function legend({ names, counts, colours }, plot, changed) {
	return el("ul", { class: "legend" }, names.map((name, g) => counts[g] > 0 && el("li", {}, el("button", {
		type: "button", "aria-pressed": "true", class: "quiet", onclick: (e) => {
			const hide = !plot.hidden.has(g);
			if (hide) plot.hidden.add(g); else plot.hidden.delete(g);
			e.currentTarget.setAttribute("aria-pressed", String(!hide));
			changed();
		},
	}, el("i", { class: "mark shape" + g % shapes.length, "aria-hidden": "true", style: { "--colour": css(colours[g]) } }), el("span", {}, name), el("span", { class: "muted figure" }, number(counts[g]))))));
}

// selection shows the chosen points in box: how many of each group, some pictures,
// and what to do with them. does has open(i), filter(ids), label(ids), like(ids) (an
// address) and clear().
export function selection(box, { map, grouping, chosen, collection, signal }, does) {
	if (chosen.length === 0) {
		return fill(box, el("h2", {}, "Nothing chosen"), el("p", { class: "muted small" }, "Drag with the shift key, or switch Choose on and drag. By keyboard: arrows go from point to point, space chooses, Enter opens."));
	}
	const ids = chosen.map((i) => map.ids[i]), counts = grouping.names.map(() => 0);
	for (const i of chosen) counts[grouping.groups[i]]++;
	const most = Math.max(...counts);
	return fill(box, el("div", { class: "row" }, el("h2", {}, `${number(chosen.length)} chosen`), el("span", { class: "fill" }), el("button", { type: "button", class: "quiet", onclick: does.clear }, "Clear")),
		el("table", { class: "counts" }, el("caption", { class: "hidden" }, "Those chosen, by group"), el("tbody", {}, grouping.names.map((name, g) => counts[g] > 0 && el("tr", {},
			el("th", { scope: "row" }, name), el("td", { class: "figure" }, number(counts[g])), el("td", { class: "bars" }, el("i", { class: "bar", style: { width: `${100 * counts[g] / most}%`, background: css(grouping.colours[g]) } })))))),
		el("div", { class: "row" }, el("button", { type: "button", onclick: () => does.filter(ids) }, "Open as filter"), el("button", { type: "button", onclick: () => does.label(ids) }, "Label these"), el("a", { class: "button", href: does.like(ids) }, "Query by these")),
		el("ul", { class: "strip" }, chosen.slice(0, strip).map((i) => el("li", {}, el("button", { type: "button", class: "show", "aria-label": `Open ${alt(map.ids[i], grouping.names[grouping.groups[i]])}`, onclick: () => does.open(i) },
			thumb(collection, map.ids[i], grouping.names[grouping.groups[i]], signal))))),
		chosen.length > strip && el("p", { class: "muted small" }, `and ${number(chosen.length - strip)} more`));
}

// groupTable says of each group what the picture shows.
export function groupTable(grouping, [xs, ys], choose) {
	return el("table", {}, el("caption", { class: "hidden" }, "The groups of the map"), el("thead", {}, el("tr", {}, ["Group", "Cases", "Mean distance from its middle", "Nearest other group", "Distance of the middles", ""].map((t, i) => el("th", { scope: "col", class: [1, 2, 4].includes(i) ? "figure" : null }, t || el("span", { class: "hidden" }, "Choose"))))),
		el("tbody", {}, spread(grouping, xs, ys).map(({ name, count, mean, other, gap }, g) => count > 0 && el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: "figure" }, number(count)), el("td", { class: "figure" }, decimal(mean)), el("td", {}, other || "–"), el("td", { class: "figure" }, decimal(gap)),
			el("td", {}, el("button", { type: "button", class: "quiet", "aria-label": `Choose all of ${name}`, onclick: () => choose(g) }, "Choose"))))));
}
