// Storing labels, one after another in the order they were given. A label is stored
// when the server has answered 2xx and not before: until then it is in `unsaved`,
// also while another view is open. Undo says through the API what was said before.
import { ask, collectionPath, Problem, session } from "./api.js";

// unsure is the confidence of a label of which its reader is not sure.
export const unsure = 0.5;

const desks = new Map();

// desk is where the labels of a task are given, the same as long as the page is open.
export function desk(name, task) {
	const key = name + "\n" + task;
	if (!desks.has(key)) desks.set(key, new Desk(name, task));
	return desks.get(key);
}

const unsaved = () => [...desks.values()].reduce((n, d) => n + d.unsaved.length, 0);

addEventListener("beforeunload", (e) => { if (unsaved() > 0) e.preventDefault(); });
addEventListener("online", () => { for (const d of desks.values()) d.again((e) => e.error.status === 0); });
session.holds(unsaved);
session.onLeft(() => {
	desks.clear();
	sessionStorage.removeItem("reader");
});

class Desk {
	constructor(name, task) {
		Object.assign(this, { name, task, told: () => {} });
		this.unsaved = []; // {id, key, label, reader, error}, in the order given; without an error it is on its way
		this.steps = []; // what undo takes back, the last at the end
		this.done = new Set(); // IDs labelled here
		this.skipped = new Set();
		this.drafts = new Map(); // by opinion and ID: chosen classes that nobody has asked to store yet
		this.given = 0; // counts the entries
		this.stored = 0; // labels given and not taken back
		this.figures = []; // of the probes' versions, see labelprobe.js
		this.last = Promise.resolve();
	}

	// give begins to store an entry. Another one of the same image by the same reader
	// that was not stored gives way to it.
	give(entry) {
		entry.given = ++this.given;
		this.yield(entry);
		this.unsaved.push(entry);
		this.drafts.delete(draft(entry.reader, entry.id));
		this.done.add(entry.id);
		this.last = this.last.then(() => this.attempt(entry));
	}

	// yield lets go of what failed and was said before an entry, which says otherwise.
	yield(entry) {
		this.unsaved = this.unsaved.filter((e) => !(e.error && e.given < entry.given && draft(e.reader, e.id) === draft(entry.reader, entry.id)));
	}

	// again tries once more to store what failed, or some of it.
	again(some = () => true) {
		for (const entry of this.unsaved.filter((e) => e.error && some(e))) {
			entry.error = null;
			this.done.add(entry.id);
			this.last = this.last.then(() => this.attempt(entry));
		}
		this.told("storing");
	}

	discard(entry) {
		this.unsaved = this.unsaved.filter((e) => e !== entry);
		this.told("discarded", entry);
	}

	async attempt(entry) {
		if (!this.unsaved.includes(entry)) return;
		try {
			const before = await this.before(entry);
			await this.post(request(this.task, entry));
			this.unsaved = this.unsaved.filter((e) => e !== entry);
			this.yield(entry);
			this.steps.push({ entry, before });
			this.stored++;
			this.told("stored", entry);
		} catch (err) {
			entry.error = err;
			this.done.delete(entry.id);
			this.told("failed", entry);
		}
	}

	// before is what the entry's reader has said of the image, null for nothing. An
	// image that is not the one that was looked at is an error.
	async before(entry) {
		const path = collectionPath(this.name, "instances", entry.id);
		const [now, { history }] = await Promise.all([ask("GET", path), ask("GET", path + "/history")]);
		if (now.key !== entry.key) throw new Problem(412, { title: "The image has been replaced", detail: "Somebody has stored another one under its ID since you looked. Look at it and label it again.", code: "instance_changed" });
		return said(history, this.task, opinion(entry.reader));
	}

	post(label) { return ask("POST", collectionPath(this.name, "labels"), { body: { labels: [label] } }); }

	// undo takes the last label back, or lets go of it where it was not stored, and
	// resolves with its entry, or undefined where there is none. Where that fails it throws, and can be undone still.
	undo() {
		const taken = this.last.then(() => this.takeBack());
		this.last = taken.catch(() => {});
		return taken;
	}

	async takeBack() {
		const step = this.steps.at(-1), refused = this.unsaved.filter((e) => e.error).at(-1);
		if (refused && !(step?.entry.given > refused.given)) {
			this.discard(refused);
			return refused;
		}
		if (!step) return undefined;
		await this.post(step.before ? restored(step.before) : { instance: step.entry.id, task: this.task, reader: opinion(step.entry.reader), remove: true });
		this.steps.pop();
		this.stored--;
		this.done.delete(step.entry.id);
		this.told("undone", step.entry);
		return step.entry;
	}
}

// draft names what a reader says of an image.
export const draft = (reader, id) => opinion(reader) + "\n" + id;

// opinion is under whose name a reader's labels are: none where they stand for all.
export const opinion = (reader) => (reader.all ? "" : reader.name);

// said is what a reader says at present by an instance's history, null for nothing.
export function said(history, task, reader) {
	const last = history.filter((e) => e.task === task && (e.reader ?? "") === reader).at(-1);
	return last && !last.removed ? last : null;
}

function request(task, { id, label, reader }) {
	return { instance: id, task, ...label, source: reader.name || undefined, reader: opinion(reader) || undefined };
}

function restored({ instance, task, classes, absent, uncertain, partial, reader, confidence, source }) {
	return { instance, task, classes: classes ?? [], absent, uncertain, partial, reader, confidence: confidence || undefined, source };
}
