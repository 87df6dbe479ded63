// Lists of the server's that are read page by page as they are scrolled through.
import { listInstances } from "./api.js";

const pageSize = 200, mostPages = 12;

// Listing is a list of instances, of which the pages that are wanted are loaded and
// a few more kept, so that what it takes does not grow with what has been seen.
// Changed is called when more is there, failed(err) when the server refuses.
export class Listing {
	constructor(name, options, trim, { changed, failed, signal }) {
		Object.assign(this, { name, options, trim, changed, failed });
		this.cursors = [""]; // of each page as far as they are known
		this.pages = new Map(); // number to what trim made of its instances, longest unused first
		this.range = [0, 0]; // the pages that are wanted
		this.count = 0;
		this.loading = null; // {page, abort}
		this.broken = false; // whether the server refused, which it is not asked about again
		signal.addEventListener("abort", () => { this.ended = true; this.loading?.abort.abort(); }, { once: true });
	}

	// begin loads the first page with the count, or throws.
	async begin(signal) {
		const page = await listInstances(this.name, { ...this.options, limit: pageSize, count: true }, signal);
		this.count = page.count;
		this.keep(0, page);
	}

	keep(number, page) {
		if (page.next) this.cursors[number + 1] ??= page.next;
		this.pages.set(number, page.instances.map(this.trim));
		for (const old of this.pages.keys()) {
			if (this.pages.size <= mostPages) break;
			if (old < this.range[0] || old > this.range[1]) this.pages.delete(old);
		}
	}

	// item is the i-th of the list, undefined while it is not loaded.
	item(i) {
		const number = Math.floor(i / pageSize), page = this.pages.get(number);
		if (!page) return undefined;
		this.pages.delete(number);
		this.pages.set(number, page);
		return page[i - number * pageSize];
	}

	// want asks for the items from first to last and lets go of a page that is being
	// loaded for others and is not on the way to these.
	want(first, last) {
		this.range = [Math.floor(first / pageSize), Math.floor(Math.min(last, Math.max(0, this.count - 1)) / pageSize)];
		const { loading } = this;
		if (loading && loading.page !== this.next()) loading.abort.abort();
		this.load();
	}

	// next is the page to load, -1 for none: a wanted one, or the last whose cursor is
	// known where that of a wanted one is not.
	next() {
		for (let p = this.range[0]; p <= this.range[1]; p++) {
			if (this.pages.has(p)) continue;
			return p < this.cursors.length ? p : this.cursors.length - 1;
		}
		return -1;
	}

	async load() {
		if (this.loading || this.ended || this.broken) return;
		for (let p = this.next(); p >= 0 && !this.ended; p = this.next()) {
			const abort = new AbortController();
			this.loading = { page: p, abort };
			try {
				const page = await listInstances(this.name, { ...this.options, limit: pageSize, cursor: this.cursors[p] }, abort.signal);
				const known = this.cursors.length;
				this.keep(p, page);
				if (this.next() === p || (this.cursors.length === known && !page.next && this.next() > p)) break; // the list has become shorter
				this.changed();
			} catch (err) {
				if (err.name === "AbortError") continue;
				this.broken = true;
				this.failed(err);
				break;
			} finally {
				this.loading = null;
			}
		}
	}

	// slice loads and returns the items from first to last.
	async slice(first, last, signal) {
		const items = [];
		for (let cursor = "", at = 0; at <= last;) {
			const page = await listInstances(this.name, { ...this.options, limit: 1000, cursor }, signal);
			page.instances.forEach((instance, i) => { if (at + i >= first && at + i <= last) items.push(this.trim(instance)); });
			at += page.instances.length;
			if (!(cursor = page.next)) break;
		}
		return items;
	}
}
