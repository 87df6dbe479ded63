// Two images side by side, the one that was asked by and a case, zoomed and moved
// together.
import { decimal, dialog, el, fill } from "./ui.js";
import { file } from "./cases.js";
import { labelsOf } from "./answer.js";
import { casePicture } from "./pictures.js";
import { alt, shortId } from "./thumb.js";
import { viewer } from "./viewer.js";
import { told } from "./words.js";

// compare opens the comparison at the i-th of cases. asked is {source, alt, frame} of
// what was asked by, or null where that has no picture; does is as cases.js has it.
export function compare(context, asked, cases, i, task, does) {
	return new Comparison(context, asked, cases, i, task, does).box;
}

class Comparison {
	constructor(context, asked, cases, i, task, does) {
		Object.assign(this, { context, asked, cases, task, does });
		this.ending = new AbortController();
		this.end = AbortSignal.any([context.signal, this.ending.signal]);
		this.left = el("section", { class: "beside-one", "aria-label": "The query" });
		this.right = el("section", { class: "beside-one", "aria-label": "The case" });
		this.linked = el("input", { type: "checkbox", checked: true });
		this.box = dialog("Comparison", el("div", { class: "beside" }, asked && this.left, this.right), this.footer());
		this.box.classList.add("comparing");
		this.box.addEventListener("close", () => { this.ending.abort(); does.closed(this.at); });
		this.box.addEventListener("keydown", (e) => this.key(e));
		context.signal.addEventListener("abort", () => this.box.close(), { signal: this.ending.signal });
		if (asked) this.query = viewer(asked.source, { label: "The query's image", alt: asked.alt, signal: this.end, frame: asked.frame, viewed: (view) => this.follow(this.shown, view) });
		if (asked) fill(this.left, el("h3", {}, "Query"), this.query.node);
		this.to(i);
	}

	follow(other, view) {
		if (this.linked.checked && other) { other.stage.look(view); other.tell(); }
	}

	// to shows the i-th case.
	to(i) {
		this.one?.abort();
		this.one = new AbortController();
		this.at = i;
		const c = this.cases[i], label = told(c.labels);
		this.shown = viewer(casePicture(this.context.name, c), { label: "The case's image", alt: alt(c.id, label), signal: AbortSignal.any([this.end, this.one.signal]), frame: c.frame, viewed: (view) => this.follow(this.query, view) });
		if (this.query) this.shown.stage.look(this.query.stage.view);
		this.box.querySelector("h2").textContent = `Case ${i + 1} of ${this.cases.length}`;
		fill(this.right, el("h3", {}, `Similarity ${decimal(c.score)}`), this.shown.node, this.facts(c));
		this.tell();
	}

	facts(c) {
		const fact = (name, value) => value && [el("dt", {}, name), el("dd", {}, value)];
		return el("div", { class: "known-row" }, el("div", { class: "labels" }, labelsOf(this.context.collection, c.labels, this.task)),
			el("dl", { class: "known small" }, fact("Instance", shortId(c.id)), fact("Name", file(c.name)), fact("Patient", c.patient && shortId(c.patient)), fact("Study", c.study && shortId(c.study)),
				Object.entries(c.metadata ?? {}).slice(0, 8).map(([name, value]) => fact(name, value))));
	}

	footer() {
		const button = (text, key, does) => el("button", { type: "button", onclick: does }, text, " ", el("kbd", {}, key));
		this.like = button("Alike", "a", () => this.mark("like"));
		this.unlike = button("Not alike", "n", () => this.mark("unlike"));
		return el("div", { class: "row comparing-do" }, button("Previous", "k", () => this.step(-1)), button("Next", "j", () => this.step(1)), this.like, this.unlike,
			button("Use as query", "u", () => { this.box.close(); this.does.use(this.cases[this.at]); }),
			this.asked && el("label", { class: "row" }, this.linked, "Zoom and move both"), el("span", { class: "muted small" }, "+ − 0 1 zoom, i inverts, arrow keys move the image in focus"));
	}

	mark(mark) {
		const c = this.cases[this.at];
		this.does.mark(c, this.does.marked(c.id) === mark ? "" : mark);
		this.tell();
	}

	tell() {
		const mark = this.does.marked(this.cases[this.at].id);
		this.like.setAttribute("aria-pressed", String(mark === "like"));
		this.unlike.setAttribute("aria-pressed", String(mark === "unlike"));
	}

	step(by) { this.to((this.at + by + this.cases.length) % this.cases.length); }

	// key is what a key does here, where those of the view are silent. It is for the
	// image in focus, or the case's.
	key(e) {
		if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches("input[type=number], select") || localStorage.getItem("keys") === "off") return;
		const at = this.query?.node.contains(e.target) ? this.query : this.shown;
		const does = { j: () => this.step(1), k: () => this.step(-1), PageDown: () => this.step(1), PageUp: () => this.step(-1), a: () => this.mark("like"), n: () => this.mark("unlike"), u: () => { this.box.close(); this.does.use(this.cases[this.at]); } }[e.key] ?? at.bindings()[e.key]?.[1];
		if (!does) return;
		e.preventDefault();
		does();
	}
}
