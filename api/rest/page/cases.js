// The cases of an answer as a grid. The arrow keys move among them, Enter compares,
// and the keys a, n and u do for the case in focus what its buttons do.
import { decimal, el, fill, number } from "./ui.js";
import { labelsOf } from "./answer.js";
import { alt, thumb } from "./thumb.js";
import { told } from "./words.js";

const marksSaid = { like: "Alike", unlike: "Not alike" };

// Cases shows cases of a collection. does has compare(i), use(case), mark(case, "like",
// "unlike" or "") and marked(id).
export class Cases {
	constructor(context, does) {
		this.context = context;
		this.does = does;
		this.node = el("ul", { class: "cases", "aria-label": "Similar cases" });
		this.node.addEventListener("keydown", (e) => this.key(e));
		this.node.addEventListener("focusin", (e) => this.focused(e.target.closest("li")));
		this.cases = [];
		this.at = 0;
	}

	// show shows these cases; task is whose labels come first.
	show(cases, task) {
		this.cases = cases;
		this.at = 0;
		fill(this.node, cases.map((c, i) => this.item(c, i, task)));
		this.rove();
	}

	item(c, i, task) {
		const { context, does } = this, label = told(c.labels);
		const press = (mark, text, sign) => el("button", { type: "button", class: "mark", "data-mark": mark, "aria-label": `${text}: ${alt(c.id)}`, title: text, onclick: () => this.mark(i, mark) }, sign);
		return el("li", { "data-id": c.id },
			el("button", { type: "button", class: "open", onclick: () => does.compare(i) }, thumb(context.name, c.id, label, context.signal),
				el("span", { class: "score" }, el("span", { class: "hidden" }, "similarity "), decimal(c.score)),
				c.instances?.length > 1 && el("span", { class: "many" }, `${number(c.instances.length)} images`)),
			el("div", { class: "about" }, el("div", { class: "labels" }, labelsOf(context.collection, c.labels, task), Object.keys(c.labels ?? {}).length === 0 && el("span", { class: "muted small" }, "no label")),
				el("div", { class: "called muted small", title: c.name }, file(c.name) || alt(c.id).replace("Case ", ""))),
			el("div", { class: "do" }, press("like", "Alike", "✓"), press("unlike", "Not alike", "✕"), el("button", { type: "button", "aria-label": `Use as query: ${alt(c.id)}`, title: "Use as query", onclick: () => does.use(c) }, "↗")));
	}

	// mark marks a case, or takes that mark away.
	mark(i, mark) {
		const c = this.cases[i];
		this.does.mark(c, this.does.marked(c.id) === mark ? "" : mark);
	}

	// tell shows how cases are marked.
	tell() {
		for (const li of this.node.children) {
			const mark = this.does.marked(li.dataset.id);
			li.dataset.marked = mark;
			for (const b of li.querySelectorAll(".mark")) b.setAttribute("aria-pressed", String(b.dataset.mark === mark));
			li.title = marksSaid[mark] ?? "";
		}
	}

	rove() {
		[...this.node.children].forEach((li, i) => { for (const b of li.querySelectorAll("button")) b.tabIndex = i === this.at ? 0 : -1; });
		this.tell();
	}

	focused(li) {
		const at = [...this.node.children].indexOf(li);
		if (at < 0 || at === this.at) return;
		this.at = at;
		this.rove();
	}

	focus(i = this.at) {
		this.at = Math.min(Math.max(i, 0), this.cases.length - 1);
		this.rove();
		this.node.children[this.at]?.querySelector(".open").focus();
	}

	get columns() {
		const tops = [...this.node.children].map((li) => li.offsetTop);
		return Math.max(1, tops.filter((t) => t === tops[0]).length);
	}

	key(e) {
		const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, Home: -Infinity, End: Infinity }[e.key];
		if (!step || e.ctrlKey || e.metaKey || e.altKey) return;
		e.preventDefault();
		const to = this.at + step;
		if (Math.abs(step) === Infinity || to >= 0 && to < this.cases.length) this.focus(to);
	}

	// bindings are the keys for the case in focus, and for none they tell that.
	bindings() {
		const here = (does) => () => { if (this.node.contains(document.activeElement)) does(this.at); else this.focus(); };
		return {
			a: ["The case in focus is alike", here((i) => this.mark(i, "like"))],
			n: ["The case in focus is not alike", here((i) => this.mark(i, "unlike"))],
			u: ["Ask by the case in focus", here((i) => this.does.use(this.cases[i]))],
			c: ["Compare the case in focus", here((i) => this.does.compare(i))],
		};
	}
}

// file is the last part of a name, which may be a path.
export const file = (name) => (name ?? "").split(/[/\\]/).filter(Boolean).at(-1) ?? "";
