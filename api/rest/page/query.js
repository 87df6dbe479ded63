// Asking by an image: where it starts (start.js), and what the collection has to say of
// it: cases like it (cases.js, compare.js) and what their labels come to (answer.js).
import { ask, collectionPath } from "./api.js";
import { announce, chip, choice, el, empty, failed, fill, loading, number, style, toast } from "./ui.js";
import { answers } from "./answer.js";
import { classify, firstVersions, found, read, similar, write } from "./asked.js";
import { Cases, file } from "./cases.js";
import { compare } from "./compare.js";
import { filterChips } from "./filter.js";
import { fileList } from "./files.js";
import { filePicture, storedPicture } from "./pictures.js";
import { start, taking } from "./start.js";
import { alt, shortId } from "./thumb.js";
import { viewer } from "./viewer.js";
import { listed, told } from "./words.js";
import { hint } from "./hints.js";

export const title = "Query";

export async function open(main, context) {
	const { collection, href, params, signal } = context, q = read(params);
	await Promise.all([style("query.css"), style("collection.css")]);
	if (signal.aborted) return;
	if (collection.status.instances === 0) {
		fill(main, empty("There is nothing to compare with yet", "Store images first. Then ask by another, and see the cases that are like it.",
			el("pre", { tabindex: 0 }, `nearcase ingest --collection ${collection.name} labels.csv`), el("a", { class: "button", href: href("collection") }, "Open the collection")));
		return;
	}
	if (!q.instance && !q.upload && q.like.length === 0) return void await start(main, context, false);
	const subject = q.instance ? await stored(main, context, q) : q.upload ? found(q.upload) : { kind: "examples" };
	if (signal.aborted || subject === null) return;
	if (!subject) return void await start(main, context, true);
	new Query(main, context, q, subject).begin();
}

// stored is the instance that an address names; null where that is told to be none.
async function stored(main, { name, signal, href }, q) {
	try {
		return { kind: "stored", id: q.instance, instance: await ask("GET", collectionPath(name, "instances", q.instance), { signal }) };
	} catch (err) {
		if (err.status !== 404) throw err;
		fill(main, empty("This case is not in the collection", "It may have been deleted, or it is of another collection.", el("a", { class: "button", href: href("query") }, "Start a query")));
		return null;
	}
}

class Query {
	constructor(main, context, q, subject) {
		Object.assign(this, { main, context, q, subject, cases: [], current: q.task, turns: {}, followed: new Set() });
		this.evidence = el("section", { class: "card evidence", "aria-label": "Evidence" });
		this.similar = el("div", { class: "similar-body" });
		this.chips = el("div", { class: "row marks" });
		this.picture = el("section", { class: "card picture", "aria-label": "The image" });
		this.tally = el("span", { class: "muted small" });
		this.does = {
			compare: (i) => this.compare(i), use: (c) => context.go("query", { ...Object.fromEntries(write({ ...q, instance: "", upload: "", like: [], unlike: [], frame: 0 })), instance: c.id }),
			mark: (c, mark) => this.mark(c.id, mark), marked: (id) => (q.like.includes(id) ? "like" : q.unlike.includes(id) ? "unlike" : ""), closed: (i) => this.grid.focus(i),
		};
		this.grid = new Cases(context, this.does);
	}

	begin() {
		const { context, subject } = this, files = subject.kind === "files";
		const pictured = subject.kind === "stored" || files;
		fill(this.main, this.bar(), files && subject.files.length > 1 && fileList(subject, context, this.q, (at) => this.turn(at)),
			el("div", { class: "reading" + (pictured ? "" : " unpictured") }, pictured && this.picture, el("div", { class: "stack findings" }, pictured && this.evidence, this.casesSection())));
		context.bind({ ...this.grid.bindings(), f: ["Refine by the marks", () => this.refine()], x: ["Filter", () => this.filters.open()], o: ["Another query", () => context.go("query")] });
		taking(this.main, context);
		this.look();
		this.ask();
	}

	// turn asks by another of the files.
	turn(at) {
		this.subject.at = at;
		this.remember({ frame: 0 });
		this.look();
		this.ask();
	}

	// look shows the image.
	look() {
		const { subject, context, q } = this;
		this.looking?.abort();
		this.looking = new AbortController();
		if (subject.kind !== "stored" && subject.kind !== "files") return;
		const stored = subject.kind === "stored";
		this.asked = stored ? { source: storedPicture(context.name, subject.instance), alt: alt(subject.id, told(subject.instance.labels)) } : { source: filePicture(subject.files[subject.at]), alt: "The image that was chosen" };
		this.asked.frame = q.frame || this.asked.source.frame;
		const shown = this.viewer = viewer(this.asked.source, { label: "Image viewer", alt: this.asked.alt, signal: AbortSignal.any([context.signal, this.looking.signal]), frame: this.asked.frame, framed: (n) => this.framed(n) });
		context.bind(shown.bindings());
		this.byFrame = el("div", { class: "row by-frame", hidden: true });
		fill(this.picture, shown.node, this.byFrame);
	}

	// framed hears which frame is shown: it has a place in the address, or can be asked by.
	framed(n) {
		const { asked, q, byFrame } = this;
		asked.frame = n;
		if (this.subject.kind === "stored") return this.remember({ frame: n === asked.source.frame ? 0 : n });
		const button = (text, frame) => el("button", { type: "button", onclick: () => { this.change({ frame }); this.framed(this.viewer.frame); byFrame.querySelector("button")?.focus(); } }, text);
		fill(byFrame, el("span", { class: "muted small" }, q.frame ? `Asked by frame ${q.frame}.` : "Asked by the mean of its frames."),
			q.frame !== n && button(`Ask by frame ${n}`, n), q.frame > 0 && button("Ask by all frames", 0));
		byFrame.hidden = false;
	}

	remember(change) {
		Object.assign(this.q, change);
		this.context.remember(write(this.q));
	}

	// change asks anew by what has been changed.
	change(change) {
		this.remember(change);
		this.ask();
	}

	// bar says what is asked about, and narrows what may answer.
	bar() {
		const { subject, context, q } = this;
		this.filters = filterChips(context, q.filter, (filter) => this.change({ filter }));
		return el("div", { class: "asking" }, el("div", { class: "row" }, chip(said(subject)), subject.kind === "stored" ? null : el("span", { class: "muted small" }, "not stored, and not in the address"),
			el("a", { class: "button", href: context.href("query") }, "New query ", el("kbd", {}, "o"))), this.filters.node);
	}

	casesSection() {
		const { q } = this, number = (label, name, attributes) => el("label", { class: "pick" }, el("span", {}, label), el("input", { type: "number", value: q[name] || "", onchange: (e) => { if (e.target.checkValidity()) this.change({ [name]: Number(e.target.value) || 0 }); else e.target.reportValidity(); }, ...attributes }));
		return el("section", { class: "card similar", "aria-label": "Similar cases" }, el("div", { class: "row" }, el("h2", {}, "Similar cases"), this.tally), el("div", { class: "row similar-head" }, number("k", "k", { min: 1, max: 400, step: 1, placeholder: "20" }), choice("Of", [["", "images"], ["series", "series"], ["study", "studies"]], q.level, (level) => this.change({ level })),
			choice("Group", [["", "all cases"], ["patient", "one per patient"], ["study", "one per study"]], q.group, (group) => this.change({ group }), { id: "group" }), number("At least", "min", { min: 0, max: 1, step: 0.01, placeholder: "0.00" })),
		this.chips, this.similar);
	}

	// ask asks for both answers.
	ask() {
		this.tell();
		return Promise.all([this.askSimilar(), this.askLabels()]);
	}

	// turnOf is the signal of a question that ends when the same is asked again.
	turnOf(name) {
		this.turns[name]?.abort();
		this.turns[name] = new AbortController();
		return AbortSignal.any([this.context.signal, this.turns[name].signal]);
	}

	begun() {
		const f = this.subject.files?.[this.subject.at];
		return f ? `Sending ${f.size > 1e6 ? Math.round(f.size / 1e6) + " MB" : Math.ceil(f.size / 1e3) + " kB"} and embedding it` : this.subject.kind === "text" ? "Embedding the words" : "Looking for similar cases";
	}

	async askSimilar() {
		const signal = this.turnOf("similar"), { name } = this.context, refined = this.q.like.length + this.q.unlike.length > 0;
		await hinted(this.similar, async () => {
			const answer = await similar(name, this.subject, this.q, signal);
			if (signal.aborted) return;
			this.cases = answer.cases ?? [];
			this.tally.textContent = tally(answer, refined, this.subject);
			announce(`${this.cases.length} cases found.`);
			this.grid.show(this.cases, this.current);
			fill(this.similar, this.cases.length > 0 ? this.grid.node : empty("No case passes", "Take a filter away, or ask for less similarity."));
		}, { what: this.begun(), signal, again: () => this.askSimilar() });
	}

	async askLabels() {
		const { context, q, subject } = this;
		if (subject.kind !== "stored" && subject.kind !== "files") return;
		const labelled = Object.values(context.collection.status.labelled ?? {}).some((classes) => Object.values(classes).some((n) => n > 0));
		if (!labelled) {
			fill(this.evidence, el("h2", {}, "No labels yet"), el("p", { class: "muted" }, "Nothing in this collection is labelled, so that similar cases are all it can show. Label some to see votes and probe scores here. Nothing here is a diagnosis."), el("a", { href: context.href("label") }, "Label cases"));
			return;
		}
		const signal = this.turnOf("labels");
		await hinted(this.evidence, async () => {
			const answer = await classify(context.name, subject, q, signal);
			if (!signal.aborted) this.told(answer, signal);
		}, { what: "Asking the labels", signal, again: () => this.askLabels() });
	}

	// told shows what the labels say, and follows it.
	told(answer, signal) {
		const { context, q, subject, evidence } = this, kept = held(evidence);
		this.current ||= answer.tasks?.[0]?.task ?? "";
		fill(evidence, answers(context.collection, answer, { task: this.current, level: q.level, known: whose(subject, answer.query), chosen: (task) => { this.current = task; this.remember({ task }); this.grid.show(this.cases, task); } }));
		kept();
		this.follow(answer, signal);
	}

	// follow asks again, behind the answer that is shown, once there is what it is without.
	async follow(answer, signal) {
		const { context, q, subject } = this, follows = el("p", { class: "muted small" });
		try {
			const made = await firstVersions(context.name, answer, this.followed, signal, (tasks) => {
				const text = tasks.length > 0 ? `Probabilities of ${listed(tasks)} follow once ${tasks.length === 1 ? "its" : "their"} probes have been fitted.` : "";
				if (text === follows.textContent) return;
				follows.textContent = text;
				this.evidence.append(follows);
				announce(text);
			});
			if (made) {
				const next = await classify(context.name, subject, q, signal);
				if (!signal.aborted) return void this.told(next, signal);
			}
		} catch (err) {
			if (!signal.aborted && !("status" in err)) console.error(err);
		}
		follows.remove();
	}

	mark(id, mark) {
		const { q } = this, without = (list) => list.filter((other) => other !== id);
		this.remember({ like: without(q.like).concat(mark === "like" ? [id] : []), unlike: without(q.unlike).concat(mark === "unlike" ? [id] : []) });
		announce(mark === "like" ? "Marked as alike." : mark === "unlike" ? "Marked as not alike." : "Mark removed.");
		this.pending = true;
		this.tell();
	}

	refine() {
		if (!this.pending) return toast("Mark cases as alike or not alike first, by a and n.");
		this.pending = false;
		this.tell();
		return this.askSimilar();
	}

	// tell shows the marks.
	tell() {
		const { q } = this, drop = (id) => () => { this.mark(id, ""); (this.chips.querySelector("button") ?? this.grid.node.querySelector(".open"))?.focus(); };
		const marks = [...q.like.map((id) => chip(`✓ alike ${shortId(id)}`, { drop: drop(id) })), ...q.unlike.map((id) => chip(`✕ not alike ${shortId(id)}`, { drop: drop(id) }))];
		fill(this.chips, marks, (marks.length > 0 || this.pending) && el("button", { type: "button", class: "primary", disabled: !this.pending, onclick: () => { this.refine(); this.chips.querySelector("button")?.focus(); } }, "Refine ", el("kbd", {}, "f")),
			marks.length > 0 && el("span", { class: "muted small" }, "Marks move the search for cases; votes and probes are of the image alone."));
		this.chips.hidden = this.chips.childElementCount === 0;
		this.grid.tell();
	}

	compare(i) {
		const { asked, viewer: shown } = this;
		compare(this.context, asked && { ...asked, frame: shown?.frame ?? asked.frame }, this.cases, i, this.current, this.does);
	}
}

// held notes what is open and focused in an answer, and returns how to do so in the next.
function held(node) {
	const open = node.querySelector("details")?.open ?? false, focus = ["[role=tab]", "summary", ".weighed"].find((s) => node.contains(document.activeElement) && document.activeElement.matches(s));
	return () => {
		const details = node.querySelector("details");
		if (details) details.open = open;
		if (focus) node.querySelector(focus === "[role=tab]" ? "[role=tab][tabindex='0']" : focus)?.focus();
	};
}

// hinted is settle, save that an answer stays, dimmed, until the next is there, and that
// a failure says what to do about it.
async function hinted(node, begin, { what, signal, again }) {
	if (node.childElementCount === 0 || node.querySelector(".state")) fill(node, loading(what));
	node.classList.add("stale");
	node.setAttribute("aria-busy", "true");
	try {
		await begin();
	} catch (err) {
		if (err.name === "AbortError" || signal.aborted) return;
		if (!("status" in err)) console.error(err);
		fill(node, failed(err, again), hint(err) && el("p", { class: "hint muted" }, hint(err)));
	} finally {
		if (!signal.aborted) {
			node.removeAttribute("aria-busy");
			node.classList.remove("stale");
		}
	}
}

// said is what is asked about, for people.
function said(subject) {
	switch (subject.kind) {
	case "stored": return `${alt(subject.id, "")}${subject.instance.name ? " · " + file(subject.instance.name) : ""}`;
	case "files": return subject.files.length > 1 ? `${number(subject.files.length)} images, one by one` : subject.files[0].name || "Pasted image";
	case "text": return `“${subject.text}”`;
	}
	return "Examples";
}

// whose tells whether it is known whose image is asked about: it is said, or others of the
// same patient have been left out.
const whose = (subject, query) => Boolean(subject.patient || subject.instance?.patient) || query.excluded > (query.stored ? 1 : 0);

// tally says how many cases there are, and which were left out.
function tally({ cases, query }, refined, subject) {
	const own = query.excluded, few = cases?.length ?? 0, personal = subject.kind !== "text" && subject.kind !== "examples";
	return [`${number(few)} ${few === 1 ? "case" : "cases"}${refined ? ", refined" : ""}`, own > 0 ? `the ${personal ? "query's own patient and study" : "examples and their patients"} left out (${number(own)} ${own === 1 ? "image" : "images"})` :
		personal && "nothing of this patient is known to be stored"].filter(Boolean).join(" · ");
}
