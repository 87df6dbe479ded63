// What is known of the case that is being labelled: its labels with where they are
// from, its metadata, and, only on request, what votes and probes say of it and which
// labelled cases of other patients look like it.
import { ask, collectionPath } from "./api.js";
import { shortId, thumbImage } from "./thumb.js";
import { wording } from "./words.js";
import { chip, colourOf, decimal, el, fill, settle, share, when } from "./ui.js";

// known shows the labels and metadata of an instance, with its history.
export function known(box, instance, history, task) {
	const all = history.filter((e) => e.task === task.name), current = instance.labels?.[task.name];
	const opinions = instance.label_details?.[task.name]?.opinions ?? [];
	const disputed = instance.label_details?.[task.name]?.agree === false;
	fill(box,
		el("p", {}, current ? ["Labelled ", el("strong", {}, wording(current)), disputed && el("span", { class: "warn" }, " – readers disagree")] : "Not labelled yet."),
		opinions.length > 0 && el("ul", { class: "plain" }, opinions.map((o) => el("li", {}, el("strong", {}, o.reader || "for all"), `: ${wording(o)}`))),
		all.length > 0 && el("details", {}, el("summary", {}, `History (${all.length})`), el("ol", { class: "plain history" }, all.map(said))),
		others(instance, task), facts(instance));
}

const said = (e) => el("li", {}, el("span", {}, wording(e)), el("span", { class: "muted small" }, [e.reader ? `reader ${e.reader}` : "for all", e.source && e.source !== e.reader && `source ${e.source}`, when(e.time)].filter(Boolean).join(" · ")));

function others(instance, task) {
	const rest = Object.entries(instance.labels ?? {}).filter(([name]) => name !== task.name);
	return rest.length > 0 && el("div", { class: "row" }, rest.map(([name, label]) => chip(`${name}: ${wording(label)}`)));
}

function facts(instance) {
	const size = instance.width > 0 && [["Size", `${instance.width} × ${instance.height}`]];
	const rows = [...size || [], ...instance.frame ? [["Frame", String(instance.frame)]] : [], ["Stored", when(instance.added)], ...Object.entries(instance.metadata ?? {})];
	return el("dl", { class: "facts" }, rows.map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

// Aside is a part that is closed until its reader opens it, and then stays so for
// later cases; the choice is remembered on this machine.
export class Aside {
	constructor(name, title) {
		Object.assign(this, { name, make: null });
		this.panel = el("div", { class: "aside-body", id: `aside-${name}` });
		this.button = el("button", { type: "button", class: "quiet", "aria-controls": this.panel.id, onclick: () => this.toggle() }, title[0], " ", el("kbd", { "aria-hidden": "true" }, title[1]));
		this.box = el("section", { class: "card aside" }, this.button, this.panel);
		this.reflect();
	}

	get open() { return localStorage.getItem("label-" + this.name) === "shown"; }

	toggle() {
		localStorage.setItem("label-" + this.name, this.open ? "hidden" : "shown");
		this.reflect();
		if (this.make && this.open) this.make(this.panel);
	}

	reflect() {
		this.button.setAttribute("aria-expanded", String(this.open));
		this.panel.hidden = !this.open;
		if (!this.open) fill(this.panel);
	}

	// about makes it of another case: show(panel) is called when it is open.
	about(make) {
		this.make = make;
		if (this.open) make(this.panel);
		else fill(this.panel);
	}
}

// machine shows why a case is in the list, and what votes and probes say of it.
export function machine(panel, context, task, item, signal) {
	return settle(panel, () => ask("POST", collectionPath(context.name, "classify"), { body: { instance: item.id, tasks: [task.name], fields: [] }, signal }), (answer) => {
		const a = answer.tasks?.[0];
		return [item.reason && el("p", {}, "Listed: " + item.reason), a ? evidence(a, task) : el("p", { class: "muted" }, "Nothing of this task is labelled yet.")].filter(Boolean);
	}, { what: "Asking votes and probes", signal });
}

function evidence(a, task) {
	const votes = new Map((a.votes ?? []).map((v) => [v.class, v.share])), chances = new Map((a.probabilities ?? []).map((p) => [p.class, p.probability]));
	const rows = (task.classes ?? []).filter((c) => votes.has(c) || chances.has(c));
	return [el("table", { class: "evidence" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Class"), el("th", { scope: "col" }, "Votes"), el("th", { scope: "col" }, "Probability"))),
		el("tbody", {}, rows.map((c) => el("tr", {}, el("th", { scope: "row" }, c), bar(votes.get(c), colourOf(task.classes, c)), bar(chances.get(c), colourOf(task.classes, c)))))),
	a.refused ? el("p", { class: "muted small" }, a.refused + ".") : el("p", { class: "muted small" }, `Votes: ${a.counts.neighbours}, of ${a.counts.patients} other patients; labels that the probe knows: ${a.counts.examples}.`)];
}

const bar = (value, colour) => el("td", {}, value === undefined ? el("span", { class: "muted" }, "–") : [el("span", { class: "meter", "aria-hidden": "true" }, el("i", { style: { width: `${100 * value}%`, background: colour } })), el("span", { class: "value" }, share(value))]);

// alike shows the nearest labelled cases of other patients.
export function alike(panel, context, task, item, signal) {
	const body = { instance: item.id, k: 6, group_by: "patient", filter: { task: task.name, labelled: true }, fields: ["labels"] };
	return settle(panel, () => ask("POST", collectionPath(context.name, "similar"), { body, signal }), ({ cases }) => (cases?.length > 0
		? el("ul", { class: "alike" }, cases.map((c) => reference(context, c, (c.labels?.[task.name] ?? []).join(", ") || "nothing present", signal)))
		: el("p", { class: "muted" }, "No other patient has a label yet.")), { what: "Looking for similar cases", signal });
}

function reference(context, c, label, signal) {
	const img = thumbImage(context.name, c.id, `Case ${shortId(c.id)}, labelled ${label}`, 72, signal);
	return el("li", {}, img, el("span", {}, label), el("span", { class: "muted small" }, decimal(c.score, 2)));
}
