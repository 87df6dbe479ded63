// The view in which people say what images show: one key for each class, the most
// informative case next, and the probes' version and validation beside it.
import { ask, collectionPath } from "./api.js";
import { announce, choice, el, empty, failed, fill, loading, number, settle, share, style, toast } from "./ui.js";
import { viewer } from "./viewer.js";
import { Aside, alike, known, machine } from "./labelcase.js";
import { wording } from "./words.js";
import { shortId } from "./thumb.js";
import { Cases } from "./labelcases.js";
import { Flow } from "./labelflow.js";
import { classForm, reader, readerForm, taskDialog, taskForm } from "./labelforms.js";
import { Panel } from "./labelpanel.js";
import { ProbePanel } from "./labelprobe.js";
import { nothing, orders, progress } from "./labelqueue.js";
import { desk, draft, opinion, said } from "./labelstore.js";
import { Strip } from "./labelstrip.js";

export const title = "Label";

export async function open(main, context) {
	await Promise.all([style("label.css"), style("viewer.css")]);
	const tasks = context.collection.tasks ?? [];
	if (tasks.length === 0) return fill(main, firstTask(context));
	if (context.collection.status.instances === 0) return fill(main, empty("There is no image to label yet", "Store some, as by", el("pre", { tabindex: 0 }, `nearcase ingest --collection ${context.name} labels.csv`)));
	const task = tasks.find((t) => t.name === context.params.get("task")) ?? tasks[0];
	const order = orders.find(([name]) => name === context.params.get("order"))?.[0] ?? "informative";
	return new Labelling(main, context, task, order).begin();
}

function firstTask(context) {
	return el("section", { class: "card narrow" }, el("h2", {}, "What is being labelled?"),
		el("p", { class: "muted" }, "This collection has no task yet. A task is one question to every image, such as finding, and its classes are the answers."),
		taskForm(context, (made, name) => context.go("label", { task: name })));
}

class Labelling {
	constructor(main, context, task, order) {
		Object.assign(this, { main, context, task, order, reader: reader(), shown: null });
		this.desk = desk(context.name, task.name);
		this.cases = new Cases(context.name, context.signal);
		this.panel = new Panel(task, (label) => this.give(label), () => classForm(context, task, (made) => this.classAdded(made)), [
			el("button", { type: "button", onclick: () => this.skip() }, "Skip ", el("kbd", {}, "s")),
			el("button", { type: "button", class: "always", onclick: () => this.undo() }, "Undo ", el("kbd", {}, "u"))]);
		this.probe = new ProbePanel(context, task, this.desk);
		this.strip = new Strip(context.name, context.signal, (i) => this.look(i));
		this.machine = new Aside("machine", ["What the machine says", "m"]);
		this.alike = new Aside("alike", ["Similar labelled cases", "e"]);
		this.build();
	}

	build() {
		this.counted = el("div", { class: "counted" });
		this.looking = el("section", { class: "looking", tabindex: -1, "aria-label": "Case" });
		this.where = el("p", { class: "where muted small" });
		this.note = el("p", { class: "muted small note", hidden: true });
		this.known = el("section", { class: "card known", "aria-label": "Labels and metadata" });
		this.unsaved = el("section", { class: "unsaved", hidden: true, role: "alert" });
		this.verdict = el("div", { class: "stack" });
		fill(this.main, this.bar(), this.note, el("div", { class: "desk" },
			el("div", { class: "left" }, this.looking, this.paging(), this.strip.box),
			el("div", { class: "side stack" }, this.unsaved, this.verdict, this.known),
			el("div", { class: "more stack" }, this.probe.box, this.machine.box, this.alike.box)));
	}

	bar() {
		const tasks = this.context.collection.tasks.map((t) => [t.name, t.name]);
		this.who = el("button", { type: "button", class: "quiet", onclick: () => this.askReader() }, "Who reads?");
		return el("div", { class: "row bar" },
			choice("Task", tasks, this.task.name, (name) => this.context.go("label", { task: name, order: this.order }), { id: "task" }),
			choice("Order", orders, this.order, (order) => this.reorder(order), { id: "order" }),
			this.counted, el("span", { class: "fill" }), this.who,
			el("button", { type: "button", class: "quiet", onclick: () => taskDialog(this.context, (made, name) => this.context.go("label", { task: name })) }, "New task"));
	}

	paging() {
		const button = (text, label, does) => el("button", { type: "button", "aria-label": label, title: label, onclick: does }, text);
		return el("div", { class: "row paging" }, button("←", "The case before", () => this.back()), this.where, button("→", "The next case, without a label", () => this.forth()));
	}

	async begin() {
		this.remember();
		this.desk.told = (kind, entry) => this.heard(kind, entry);
		const { signal } = this.context;
		signal.addEventListener("abort", () => { this.desk.told = () => {}; }, { once: true });
		addEventListener("keydown", (e) => this.chord(e), { signal });
		this.showUnsaved();
		this.bind();
		this.probe.update();
		this.count();
		if (!this.reader) this.askReader();
		else this.showPanel();
		await this.start();
	}

	remember() { this.context.remember({ task: this.task.name, order: this.order }); }

	// chord is Ctrl+Z or ⌘Z outside fields with text.
	chord(e) {
		if (!(e.ctrlKey || e.metaKey) || e.shiftKey || e.key.toLowerCase() !== "z" || e.target.closest?.("input, textarea, select, dialog")) return;
		e.preventDefault();
		this.undo();
	}

	bind() {
		this.context.bind({
			"+": ["Zoom in", () => this.viewer?.stage.zoom(1.25)], "-": ["Zoom out", () => this.viewer?.stage.zoom(0.8)], "0": ["Fit the image", () => this.viewer?.stage.whole()],
			...this.panel.bindings(),
			s: ["Skip", (e) => e.repeat || this.skip()], u: ["Undo, as Ctrl+Z does", (e) => e.repeat || this.undo()],
			Backspace: ["The case before", () => this.back()], ArrowLeft: ["The case before", () => this.back()], ArrowRight: ["The next case, without a label", () => this.forth()],
			m: ["What the machine says", () => this.machine.toggle()], e: ["Similar labelled cases", () => this.alike.toggle()],
		});
	}

	askReader() {
		this.panel.enable(false);
		fill(this.verdict, el("section", { class: "card" }, el("h2", {}, "Who reads?"), readerForm((who) => {
			const same = this.reader && opinion(this.reader) === opinion(who);
			Object.assign(this, { reader: who, before: null });
			this.showPanel();
			this.looking.focus();
			if (!same) this.start();
			else if (this.shown) this.present(this.shown);
		})));
		document.getElementById("reader").select();
	}

	showPanel() {
		fill(this.who, this.reader.all ? `${this.reader.name}, for all readers` : `Reading as ${this.reader.name}`);
		this.who.setAttribute("aria-label", this.who.textContent + ", change");
		fill(this.verdict, this.panel.box);
		this.panel.enable(!!this.shown);
	}

	async reorder(order) {
		this.order = order;
		this.desk.skipped.clear();
		this.remember();
		await this.start();
	}

	// start begins with the order's first cases, also those that were labelled here in
	// another order or by another reader.
	async start() {
		const { context, task, order, desk } = this;
		desk.done = new Set(desk.unsaved.map((e) => e.id));
		const flow = this.flow = new Flow({ name: context.name, task, order, reader: this.reader ? opinion(this.reader) : "", desk, signal: context.signal });
		this.leaveCase();
		this.strip.show([], -1);
		await settle(this.looking, (wait) => flow.more((job) => wait.tell(job.done, job.total, "Finding cases")), () => [], { what: "Finding cases", signal: context.signal });
		if (flow !== this.flow || context.signal.aborted || this.looking.querySelector(".state.bad")) return;
		await this.advance();
	}

	// advance looks at the next case that waits for a label, asking for more at the end.
	async advance() {
		const { flow } = this, next = flow.next();
		if (next >= 0) {
			this.look(next);
			if (!flow.ended && !flow.asking && flow.items.slice(next).filter((i) => flow.open(i)).length < 4) flow.more().then(() => this.draw(), () => {});
			return;
		}
		this.leaveCase();
		const wait = loading("Looking for more cases"), { ofCase } = this;
		const elsewhere = () => flow !== this.flow || ofCase !== this.ofCase || this.context.signal.aborted; // another case was opened meanwhile
		fill(this.looking, wait);
		try {
			const more = await flow.more((job) => wait.tell(job.done, job.total, "Finding cases"));
			if (elsewhere()) return this.draw();
			if (more && flow.next() >= 0) return this.look(flow.next());
			this.finished();
		} catch (err) {
			if (!elsewhere()) fill(this.looking, failed(err, () => this.advance()));
		}
	}

	// finished says that nothing waits, and what there is to do.
	finished() {
		const { flow, desk } = this;
		flow.at = flow.items.length;
		const skipped = desk.skipped.size;
		const [head, hint] = flow.note && this.order !== "informative" ? ["There is no such list yet", flow.note] : skipped > 0 ? ["Only what you skipped is left", `${number(skipped)} skipped here.`] : nothing[this.order];
		fill(this.looking, empty(head, hint,
			skipped > 0 && el("button", { type: "button", class: "primary", onclick: () => { desk.skipped.clear(); this.start(); } }, "Show what was skipped"),
			...["next", "errors", "disagreements", "unread"].filter((o) => o !== this.order && (o !== "next" || this.order !== "informative")).map((o) => el("button", { type: "button", onclick: () => { document.getElementById("order").value = o; this.reorder(o); } }, orders.find(([n]) => n === o)[1]))));
		this.draw();
		this.note.hidden = this.note.hidden || hint === flow.note;
		announce(head);
	}

	// leaveCase lets go of what is shown, and keeps what was chosen and not stored.
	leaveCase() {
		if (this.shown?.reader && this.panel.touched) this.desk.drafts.set(draft(this.shown.reader, this.shown.item.id), this.panel.chosen());
		this.ofCase?.abort();
		this.shown = this.viewer = null;
		if (this.before) {
			this.reader = this.before;
			this.before = null;
			this.showPanel();
		}
		this.panel.enable(false);
		fill(this.known, el("p", { class: "muted" }, "No case."));
	}

	// look shows the case at a place of the queue.
	async look(i) {
		const { flow } = this, item = flow.items[i];
		if (!item) return;
		this.leaveCase();
		flow.at = i;
		const ofCase = this.ofCase = new AbortController(), { signal } = ofCase;
		this.context.signal.addEventListener("abort", () => ofCase.abort(), { signal });
		this.draw();
		fill(this.known, loading("Loading the case"));
		try {
			const found = await this.cases.take(item.id);
			if (signal.aborted) return;
			this.shown = { item, ...found };
			this.picture(found, signal);
			this.present(this.shown);
			this.machine.about((panel) => machine(panel, this.context, this.task, item, signal));
			this.alike.about((panel) => alike(panel, this.context, this.task, item, signal));
			this.cases.expect(flow.items.find((other, n) => n > i && flow.open(other))?.id);
		} catch (err) {
			if (signal.aborted) return;
			fill(this.looking, failed(err, () => this.look(i)));
			fill(this.known, el("p", { class: "muted" }, err.status === 404 ? "The case is gone. Go on with the next." : "The case is not loaded."));
		}
	}

	picture({ source, instance }, signal) {
		this.viewer = viewer(source, { label: `Case ${shortId(instance.id)}`, alt: `Case ${shortId(instance.id)}`, signal });
		fill(this.looking, this.viewer.node);
	}

	// present shows what is known of a case and what its reader has said.
	present({ item, instance, history }) {
		const { reader } = this, key = reader && draft(reader, item.id);
		this.shown.reader = reader;
		const refused = reader && this.desk.unsaved.find((e) => e.error && draft(e.reader, e.id) === key);
		this.panel.begin(reader && (refused?.label ?? this.desk.drafts.get(key) ?? said(history, this.task.name, opinion(reader))));
		this.panel.enable(!!this.reader);
		known(this.known, instance, history, this.task);
		const decided = said(history, this.task.name, "");
		if (decided && this.reader && !this.reader.all) this.known.prepend(el("p", { class: "small decided" }, "A label for all stands; yours is kept beside it. ",
			el("button", { type: "button", onclick: () => this.decide() }, "Label for all")));
	}

	// decide lets the reader label for all, this case alone.
	decide() {
		const { shown } = this;
		this.before = this.reader;
		this.reader = { ...this.reader, all: true };
		this.showPanel();
		this.present(shown);
	}

	draw() {
		const { flow } = this;
		this.strip.show(flow.items, flow.at, (id) => this.state(id));
		this.where.textContent = flow.current ? `Case ${number(flow.at + 1)} of ${number(flow.items.length)}${flow.ended ? "" : " or more"} · ${shortId(flow.current.id)}` : "";
		this.note.hidden = !flow.note;
		this.note.textContent = flow.note;
	}

	state(id) {
		const waiting = this.desk.unsaved.find((e) => e.id === id);
		if (waiting) return waiting.error ? "failed" : "storing";
		return this.desk.done.has(id) ? "stored" : this.desk.skipped.has(id) ? "skipped" : "";
	}

	// give stores a label in the background and goes on with the next case.
	give(label) {
		if (!this.shown || !this.reader) return;
		const { item, instance } = this.shown;
		this.panel.touched = false;
		this.desk.skipped.delete(item.id);
		this.desk.give({ id: item.id, key: instance.key, label, reader: this.reader, error: null });
		announce(`${wording(label)}`);
		this.advance();
	}

	skip() {
		if (!this.flow.current) return;
		this.desk.skipped.add(this.flow.current.id);
		this.advance();
	}

	back() { if (this.flow.at > 0) this.look(Math.min(this.flow.at, this.flow.items.length) - 1); }

	forth() {
		if (this.flow.at + 1 < this.flow.items.length) this.look(this.flow.at + 1);
		else this.advance();
	}

	async undo() {
		try {
			const entry = await this.desk.undo();
			if (!entry) toast("There is nothing to undo.");
			else if (entry.error) toast(`Let go, it was not stored: ${wording(entry.label)}.`);
		} catch (err) {
			toast(`Not undone: ${err.detail || err.message}`, { kind: "bad" });
		}
	}

	// heard is told what became of a label.
	async heard(kind, entry) {
		this.showUnsaved();
		this.draw();
		if (kind === "failed" && !this.failing()) await this.look(this.flow.place(entry.id));
		if (kind === "undone") await this.look(this.flow.place(entry.id));
		if (kind === "discarded" && this.shown?.item.id === entry.id) this.present(this.shown);
		if (kind === "undone") toast(`Taken back: ${wording(entry.label)}.`);
		if (kind === "stored" && this.shown?.item.id === entry.id) await this.look(this.flow.at);
		if (kind !== "stored" && kind !== "undone") return;
		this.probe.update();
		this.count();
		if (kind === "stored" && await this.flow.stored().catch(() => false)) this.draw();
	}

	// failing tells whether what is looked at is a case whose label was not stored.
	failing() { return this.desk.unsaved.some((e) => e.error && e.id === this.flow.current?.id); }

	showUnsaved() {
		const bad = this.desk.unsaved.filter((e) => e.error), [first] = bad;
		this.unsaved.hidden = bad.length === 0;
		if (!first) return fill(this.unsaved);
		const forbidden = first.error.status === 403, replaced = first.error.code === "instance_changed";
		return fill(this.unsaved, el("h2", {}, forbidden ? "Your key does not allow labels" : bad.length === 1 ? "This label is not stored" : `${number(bad.length)} labels are not stored`),
			el("p", {}, first.error.title, first.error.detail && `: ${first.error.detail}`),
			el("ul", { class: "plain" }, bad.slice(0, 5).map((e) => el("li", {}, el("button", { type: "button", class: "quiet", onclick: () => this.look(this.flow.place(e.id)) }, `${shortId(e.id)}: ${wording(e.label)}`),
				el("button", { type: "button", class: "quiet", "aria-label": `Discard the label of ${shortId(e.id)}`, onclick: () => this.desk.discard(e) }, "Discard")))),
			!replaced && el("button", { type: "button", onclick: () => this.desk.again() }, "Store again"));
	}

	async count() {
		const turn = this.turn = (this.turn ?? 0) + 1;
		try {
			const { labelled, all } = await progress(this.context.name, this.task.name, this.context.signal);
			if (turn !== this.turn) return; // a later count knows more
			fill(this.counted, el("progress", { value: labelled, max: Math.max(1, all), "aria-label": "Labelled" }), el("span", {}, `${number(labelled)} of ${number(all)} labelled`, el("span", { class: "muted" }, ` · ${share(labelled / Math.max(1, all))}`)));
		} catch { /* the case in hand says what is wrong with the server */ }
	}

	classAdded(made) {
		this.context.collection.tasks = made.tasks;
		this.task.classes = made.tasks.find((t) => t.name === this.task.name).classes;
		this.panel.build();
		this.panel.enable(!!this.shown && !!this.reader);
		this.bind();
		toast("The class is there.");
	}
}
