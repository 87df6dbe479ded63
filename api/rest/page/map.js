// A map of a collection: each case a point, near those that its embedding is like.
import { ask, collectionPath } from "./api.js";
import { announce, choice, el, empty, fill, number, settle, share, toast } from "./ui.js";
import { like } from "./browse.js";
import { openInstance } from "./instance.js";
import { labelMany } from "./labelmany.js";
import { Plot, rgb } from "./mapcanvas.js";
import { grouped, named, token, unknown, ways } from "./mapgroups.js";
import { hands, inside } from "./maphands.js";
import { grid } from "./mapindex.js";
import { columns, fewest, layouts, mover, normalized, umap, umapOf } from "./maplayout.js";
import { saveMap } from "./mapsave.js";
import { groupTable, legend, selection } from "./mapside.js";
import { shortId, thumb } from "./thumb.js";

// open shows the map in panel; see collection.js for part.
export async function open(panel, part) {
	const { context, signal, params } = part, isUmap = params.layout === "umap";
	const size = isUmap ? { components: Math.max(2, Math.min(umapOf.components, context.collection.dimension)), limit: umapOf.limit } : { components: 2 };
	let board;
	const made = await settle(panel, () => placed(context.name, size, part.filter, signal), (map) => {
		if (map.ids.length === 0) return empty("No case passes this filter", "Take a part of it away, or look for another.", el("button", { type: "button", onclick: () => part.refilter(undefined) }, "Clear the filter"));
		board = new Board(map, part);
		return board.nodes;
	}, { what: "Placing the cases", signal });
	if (made && board) board.begin(isUmap);
}

// placed asks for the map, of which the browser has kept the last if it is of all; a
// filter may name a patient and is in no address.
function placed(name, size, filter, signal) {
	const path = collectionPath(name, "map");
	return filter ? ask("POST", path, { body: { ...size, filter }, signal }) : ask("GET", path, { query: size, signal });
}

const mostInFilter = 800; // IDs that an address of the page takes

// Board is a map that is shown.
class Board {
	constructor(map, part) {
		Object.assign(this, { map, part, signal: part.signal, context: part.context });
		this.raw = columns(map);
		this.chosen = [];
		this.pointed = -1;
		this.task = map.tasks.find((t) => t.name === part.params.task) ?? map.tasks.find((t) => t.labels.some((l) => l !== unknown)) ?? map.tasks[0];
		this.way = ways.some(([w]) => w === part.params.colour) ? part.params.colour : "label";
		this.build();
	}

	build() {
		this.canvas = el("canvas", { tabindex: 0, role: "application", "aria-label": "Map of the cases", "aria-describedby": "map-says" });
		this.ring = el("i", { class: "ring", hidden: true });
		this.card = el("div", { class: "hovercard card", hidden: true });
		this.says = el("p", { id: "map-says", class: "muted small", role: "status" });
		this.progress = el("div", { class: "row", hidden: true });
		this.keyBox = el("div", {});
		this.choice = el("section", { class: "card stack chosen", "aria-label": "What is chosen" });
		this.table = el("details", {}, el("summary", {}, "The same as a table"), el("div", {}));
		this.across = el("span", { class: "axis across" });
		this.upwards = el("span", { class: "axis upwards" });
		this.table.addEventListener("toggle", () => this.tabulate());
		this.nodes = [el("div", { class: "board" },
			el("figure", { class: "field" }, this.upwards, el("div", { class: "canvas" }, this.canvas, this.ring, this.card, this.controls()), this.across, el("figcaption", {}, this.says, this.progress)),
			el("aside", { class: "stack", "aria-label": "Legend and what is chosen" }, el("section", { class: "card", "aria-label": "Legend" }, el("h2", {}, "Legend"), this.keyBox), this.choice)), this.table];
	}

	controls() {
		const { tasks } = this.map, { reopen, remember, params } = this.part;
		const button = (text, title, onclick) => el("button", { type: "button", title, "aria-label": title, onclick }, text);
		const recolour = (changes) => { Object.assign(this, changes); remember({ task: this.task?.name, colour: this.way === "label" ? "" : this.way }); this.paint(); };
		this.brush = el("button", { type: "button", "aria-pressed": "false", title: "Drag to choose in place of moving", onclick: () => this.brush.setAttribute("aria-pressed", String(this.brush.ariaPressed !== "true")) }, "Choose");
		fill(this.part.tools, choice("Places by", layouts, params.layout || "pca", (layout) => reopen({ layout: layout === "pca" ? "" : layout })),
			tasks.length > 1 && choice("Task", tasks.map((t) => [t.name, t.name]), this.task.name, (name) => recolour({ task: tasks.find((t) => t.name === name) })),
			tasks.length > 0 && choice("Colour by", ways, this.way, (way) => recolour({ way })),
			el("div", { class: "row", role: "group", "aria-label": "Download the map" }, ["PNG", "SVG", "CSV"].map((kind) => button(kind, `Download as ${kind}`, () => this.save(kind.toLowerCase())))));
		return el("div", { class: "row view-tools", role: "group", "aria-label": "View" }, button("+", "Zoom in", () => this.plot.zoom(1.5)), button("−", "Zoom out", () => this.plot.zoom(1 / 1.5)), button("Fit", "Fit all in", () => this.fit()), this.brush,
			el("button", { type: "button", title: "Choose all cases in view", onclick: () => this.choose(this.inView()) }, "All in view"));
	}

	// begin draws the map, which must be in the page.
	begin(isUmap) {
		this.plot = new Plot(this.canvas);
		this.plot.drawn = () => this.follow();
		this.move = mover(this.plot, this.signal);
		this.shown = normalized(this.raw);
		this.plot.place(...this.shown);
		this.paint();
		this.told(isUmap);
		this.sized();
		hands(this.plot, { index: () => this.index ??= grid(this.plot.xs, this.plot.ys), hover: (i, from) => this.hover(i, from), hovered: () => this.pointed, brush: (list, add) => this.choose(add ? this.joined(list) : list),
			open: (i) => this.open(i), brushing: () => this.brush.ariaPressed === "true", fit: () => this.fit() });
		this.choose([]);
		const theme = new MutationObserver(() => this.paint());
		theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
		this.signal.addEventListener("abort", () => { theme.disconnect(); this.plot.end(); }, { once: true });
		if (isUmap) this.umap();
	}

	sized() {
		const watch = new ResizeObserver(() => {
			const first = !this.plot.pixels, { scale } = this.plot.view, whole = first || scale === this.plot.whole;
			this.plot.resize();
			if (whole) this.fit();
		});
		watch.observe(this.canvas);
		this.signal.addEventListener("abort", () => watch.disconnect(), { once: true });
	}

	fit() {
		const reach = (list) => list.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
		const [w, h] = this.shown.map(reach);
		this.plot.fit([-w, -h, w, h]);
	}

	// told says what the map is of, and along what.
	told(isUmap) {
		const { map } = this, sampled = map.sampled ? `a sample of ${number(map.ids.length)} of ${number(map.instances)} cases` : `${number(map.ids.length)} cases`;
		this.axes = isUmap ? ["", ""] : [0, 1].map((c) => `Component ${c + 1} – ${share(map.explained[c], 1)} of the variance`);
		fill(this.across, this.axes[0]);
		fill(this.upwards, this.axes[1]);
		const explained = map.explained.reduce((a, b) => a + b, 0);
		const about = isUmap ? `By UMAP of ${map.components} components (${share(explained)} of the variance): who is beside whom says something, how far groups are apart says little.` : "Along the two directions in which the embeddings differ most.";
		fill(this.says, `${sampled[0].toUpperCase()}${sampled.slice(1)}. ${about}`, this.task?.problem && this.way !== "label" ? ` No prediction: ${this.task.problem}` : "");
		this.canvas.setAttribute("aria-label", `Map of ${sampled} in ${this.grouping.names.length} groups`);
	}

	paint() {
		this.grouping = grouped(this.task, this.way, this.map.ids.length);
		this.plot.hidden.clear();
		this.plot.paint(this.grouping.groups, this.grouping.colours, rgb(token("ground")));
		fill(this.keyBox, legend(this.grouping, this.plot, () => this.plot.changed()));
		this.told(this.part.params.layout === "umap");
		this.select();
		this.tabulate();
	}

	umap() {
		if (this.map.ids.length < fewest) return fill(this.says, `UMAP needs ${fewest} cases or more.`);
		const stop = new AbortController(), bar = el("progress", { max: 1, "aria-label": "UMAP" }), text = el("span", { class: "small" }), back = () => this.part.reopen({ layout: "" });
		this.progress.hidden = false;
		fill(this.progress, bar, text, el("button", { type: "button", onclick: () => { stop.abort(); back(); } }, "Cancel"));
		const show = (places, time, then) => { this.shown = normalized(places); this.move(this.shown, time, () => { this.index = null; then?.(); }); };
		umap(this.map, {
			signal: AbortSignal.any([this.signal, stop.signal]), told: ({ stage, done, total }) => { bar.value = done / total; text.textContent = `${stage}: ${number(done)} of ${number(total)}`; },
			placed: (places) => show(places, 180), failed: (err) => { this.progress.hidden = true; toast(err.message, { kind: "bad" }); },
			ended: (places) => {
				this.raw = places;
				show(places, 500, () => { this.progress.hidden = true; this.canvas.dataset.placed = "umap"; this.fit(); this.tabulate(); announce("UMAP has placed the cases"); });
			},
		});
		return undefined;
	}

	joined(list) {
		const all = new Set(this.chosen);
		if (list.every((i) => all.has(i))) list.forEach((i) => all.delete(i)); else list.forEach((i) => all.add(i));
		return [...all].sort((a, b) => a - b);
	}

	inView() {
		this.index ??= grid(this.plot.xs, this.plot.ys);
		return inside(this.plot, this.index, [0, 0], [this.canvas.clientWidth, this.canvas.clientHeight]);
	}

	choose(list) {
		if (list.length > 0 || this.chosen.length > 0) announce(`${number(list.length)} chosen`);
		this.chosen = list;
		this.plot.choose(list);
		this.select();
	}

	select() {
		this.picking?.abort();
		this.picking = new AbortController();
		selection(this.choice, { map: this.map, grouping: this.grouping, chosen: this.chosen, collection: this.context.name, signal: AbortSignal.any([this.signal, this.picking.signal]) }, {
			open: (i) => this.open(i), clear: () => { this.choose([]); this.canvas.focus(); }, like: (ids) => like(this.context, ids),
			label: (ids) => labelMany(this.context, ids, () => this.part.reopen({})),
			filter: (ids) => {
				if (ids.length > mostInFilter) return toast(`A filter takes at most ${mostInFilter} cases; ${number(ids.length)} are chosen.`, { kind: "bad" });
				this.part.remember({ tab: "" });
				return this.context.go("collection", { filter: JSON.stringify({ field: "id", in: ids }) });
			},
		});
	}

	// hover points at a case: at once by a ring, and a moment later by its picture.
	hover(i, from) {
		if (i === this.pointed) return;
		this.pointed = i;
		clearTimeout(this.timer);
		this.looking?.abort();
		this.card.hidden = true;
		this.follow();
		this.canvas.classList.toggle("pointing", i >= 0);
		if (i < 0) return;
		const words = this.words(i);
		if (from === "key") announce(`${words.join(", ")}, case ${shortId(this.map.ids[i])}`);
		this.looking = new AbortController();
		const { signal } = this.looking;
		this.timer = setTimeout(() => {
			fill(this.card, thumb(this.context.name, this.map.ids[i], words[0], AbortSignal.any([this.signal, signal])), words.map((w) => el("p", { class: "small" }, w)), el("p", { class: "muted small" }, shortId(this.map.ids[i])));
			this.card.hidden = false;
			this.follow();
		}, 90);
	}

	// words say of a case what it is labelled and predicted to be.
	words(i) {
		const { task } = this;
		if (!task) return [];
		const label = task.labels[i], predicted = task.predictions[i];
		return [label === unknown ? "no label" : `labelled ${named(task, label)}`, ...(predicted === unknown ? [] : [`predicted ${named(task, predicted)}`])];
	}

	// follow keeps ring and card at the point.
	follow() {
		const i = this.pointed;
		this.ring.hidden = i < 0;
		if (i < 0) return;
		const [x, y] = this.plot.on(this.plot.xs[i], this.plot.ys[i]), { clientWidth: width, clientHeight: height } = this.canvas;
		this.ring.style.transform = `translate(${x}px, ${y}px)`;
		const { offsetWidth: w, offsetHeight: h } = this.card;
		this.card.style.transform = `translate(${x + 18 + w > width ? x - 18 - w : x + 18}px, ${Math.max(4, Math.min(height - h - 4, y - h / 2))}px)`;
	}

	open(i) { openInstance(this.context, this.map.ids[i], { changed: () => this.part.reopen({}) }); }

	tabulate() {
		if (this.table.open) fill(this.table.lastChild, groupTable(this.grouping, this.raw, (g) => this.choose([...this.grouping.groups.keys()].filter((i) => this.grouping.groups[i] === g))));
	}

	save(kind) {
		const [xs, ys] = this.shown, of = kind === "csv" ? { xs: this.raw[0], ys: this.raw[1] } : { xs, ys };
		saveMap(kind, { plot: this.plot, name: `${this.context.name}-map`, ids: this.map.ids, task: this.task, grouping: this.grouping, axes: this.axes, ...of });
	}
}
