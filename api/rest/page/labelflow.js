// The queue of cases that are being labelled: which one is next, and when more are
// asked for.
import { queue } from "./labelqueue.js";

const renewal = 10; // labels after which the most informative are others

// Flow holds items, {id, reason}, and the place of the one that is looked at.
export class Flow {
	constructor({ name, task, order, reader, desk, signal }) {
		Object.assign(this, { name, task, order, reader, desk, signal, items: [], at: -1, note: "", ended: false, stale: 0 });
	}

	get current() { return this.items[this.at]; }

	// open tells whether an item still waits for its label.
	open(item) { return !this.desk.done.has(item.id) && !this.desk.skipped.has(item.id); }

	// next is the place of the next item that waits, after the one at present and then
	// from the beginning; -1 where none does.
	next() {
		const after = this.items.findIndex((item, i) => i > this.at && this.open(item));
		return after >= 0 ? after : this.items.findIndex((item) => this.open(item));
	}

	// more asks for more cases, once at a time, and resolves with whether there are any.
	more(told) {
		this.asking ??= this.fetch(told).finally(() => { this.asking = null; });
		return this.asking;
	}

	async fetch(told) {
		const { items, note } = await this.ask(this.items, told);
		this.items.push(...items);
		this.note = note;
		this.ended = items.length === 0;
		return items.length > 0;
	}

	ask(without, told) {
		const seen = new Set([...this.desk.done, ...this.desk.skipped, ...without.map((i) => i.id)]);
		return queue(this.order, { name: this.name, task: this.task.name, reader: this.reader, seen, signal: this.signal, told });
	}

	// stored counts a label, and puts what is most informative by now after the current
	// item when there have been enough. It resolves with whether that changed anything.
	async stored() {
		if (this.order !== "informative" || ++this.stale < renewal || this.asking) return false;
		this.stale = 0;
		const past = this.items.slice(0, this.at + 1);
		this.asking = this.ask(past).finally(() => { this.asking = null; });
		const { items, note } = await this.asking;
		const looked = this.items.slice(0, this.at + 1), known = new Set(looked.map((i) => i.id));
		this.items = [...looked, ...items.filter((i) => !known.has(i.id))];
		this.note = note;
		return true;
	}

	// place is where an ID is, put after the current item if it is nowhere.
	place(id) {
		const at = this.items.findIndex((i) => i.id === id);
		if (at >= 0) return at;
		const after = Math.min(this.at + 1, this.items.length);
		this.items.splice(after, 0, { id, reason: "" });
		return after;
	}
}
