// A grid of tiles of which only those in view are there: they are put to other
// places while one scrolls, so that ten thousand take no more than a screenful.
import { el } from "./ui.js";

const ahead = 2; // rows beyond the edges

let shelves = 0;

// Shelf is a listbox (WAI-ARIA APG) of count tiles. does has
//
//	dress(tile, i)         shows what the i-th is in a tile, and says whether it knows it
//	undress(tile)          takes that away, with all that is asked for it
//	wanted(from, to)       these are in view
//	open(i)                by Enter or a click
//	choose(from, to, add)  these were chosen, or without add not any more if they all were
//	chosen(i)              whether the i-th is
export class Shelf {
	constructor(label, does, signal) {
		this.does = does;
		this.name = "shelf" + shelves++;
		this.room = el("div", { role: "presentation" });
		this.box = el("div", { class: "shelf", role: "listbox", "aria-multiselectable": "true", "aria-label": label, tabindex: 0 }, this.room);
		this.tiles = [];
		this.count = this.active = this.anchor = 0;
		this.box.addEventListener("scroll", () => this.later(), { passive: true });
		this.box.addEventListener("keydown", (e) => this.key(e));
		this.box.addEventListener("click", (e) => this.click(e));
		const watch = new ResizeObserver(() => this.measure());
		watch.observe(this.box);
		signal.addEventListener("abort", () => { watch.disconnect(); this.tiles.forEach((t) => this.does.undress(t)); this.tiles = []; }, { once: true });
	}

	// fill shows so many tiles from the first.
	fill(count) {
		this.count = count;
		this.active = this.anchor = Math.min(this.active, Math.max(0, count - 1));
		this.measure();
	}

	// renew dresses the tiles in view again, all or those that are not known yet.
	renew(all = false) {
		for (const tile of this.tiles) if (all) tile.at = -1;
		this.show();
	}

	measure() {
		const { box } = this, rem = parseFloat(getComputedStyle(document.documentElement).fontSize), gap = rem * 0.6;
		const width = box.clientWidth - 2 * gap;
		if (width <= 0) return;
		this.columns = Math.max(2, Math.floor((width + gap) / ((width > 2000 ? 13 : 10) * rem + gap)));
		this.wide = (width - gap * (this.columns - 1)) / this.columns;
		this.high = this.wide * 0.86 + 3.1 * rem;
		this.gap = gap;
		this.rows = Math.ceil(this.count / this.columns);
		this.room.style.height = `${this.rows * (this.high + gap) + gap}px`;
		box.style.setProperty("--wide", `${this.wide}px`);
		box.style.setProperty("--high", `${this.high}px`);
		this.pool();
		this.renew(true);
	}

	// pool has as many tiles as can be in view.
	pool() {
		const rows = Math.ceil(this.box.clientHeight / (this.high + this.gap)) + 1 + 2 * ahead, need = Math.min(this.count, rows * this.columns);
		while (this.tiles.length > need) {
			const tile = this.tiles.pop();
			this.does.undress(tile);
			tile.remove();
		}
		while (this.tiles.length < need) {
			const tile = el("div", { class: "tile", role: "option" });
			tile.at = -1;
			this.tiles.push(tile);
			this.box.append(tile);
		}
	}

	later() { this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.show(); }); }

	show() {
		const step = this.high + this.gap, top = Math.floor(this.box.scrollTop / step) - ahead;
		const first = Math.max(0, Math.min(top * this.columns, Math.ceil((this.count - this.tiles.length) / this.columns) * this.columns));
		const last = Math.min(this.count, first + this.tiles.length) - 1;
		if (last >= first) this.does.wanted(first, last);
		for (let i = first; i < first + this.tiles.length; i++) this.put(this.tiles[i % this.tiles.length], i);
		this.mark();
	}

	put(tile, i) {
		tile.hidden = i >= this.count;
		if (tile.at === i && tile.known) return;
		if (tile.at !== i) {
			this.does.undress(tile);
			const row = Math.floor(i / this.columns), column = i % this.columns;
			tile.style.transform = `translate(${this.gap + column * (this.wide + this.gap)}px, ${this.gap + row * (this.high + this.gap)}px)`;
			tile.at = i;
			tile.id = `${this.name}-${i}`;
			tile.setAttribute("aria-posinset", i + 1);
			tile.setAttribute("aria-setsize", this.count);
		}
		tile.known = !tile.hidden && this.does.dress(tile, i);
	}

	// mark shows which tiles are chosen and which is the active one.
	mark() {
		let there = null;
		for (const tile of this.tiles) {
			const is = tile.at === this.active;
			if (is && !tile.hidden) there = tile.id;
			tile.classList.toggle("active", is);
			tile.setAttribute("aria-selected", String(this.does.chosen(tile.at)));
		}
		if (there) this.box.setAttribute("aria-activedescendant", there);
		else this.box.removeAttribute("aria-activedescendant");
	}

	of(node) { return node.closest?.(".tile")?.at ?? -1; }

	click(e) {
		const i = this.of(e.target);
		if (i < 0) return;
		this.active = i;
		if (e.shiftKey) this.does.choose(this.anchor, i);
		else if (e.ctrlKey || e.metaKey || e.target.closest(".pickmark")) { this.anchor = i; this.does.choose(i, i); } else { this.anchor = i; this.does.open(i); }
		this.mark();
	}

	key(e) {
		if (e.altKey || ((e.ctrlKey || e.metaKey) && e.key !== "a") || this.count === 0) return;
		const page = this.columns * Math.max(1, Math.floor(this.box.clientHeight / (this.high + this.gap)));
		const to = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[e.key];
		if (to === undefined && ![" ", "Enter"].includes(e.key)) return;
		e.preventDefault();
		e.stopPropagation();
		if (e.key === "Enter") return void this.does.open(this.active);
		if (e.key === " ") {
			if (e.shiftKey) this.does.choose(this.anchor, this.active);
			else this.does.choose(this.active, this.anchor = this.active);
			return void this.mark();
		}
		const from = this.active;
		this.active = Math.max(0, Math.min(this.count - 1, from + to));
		if (e.shiftKey) this.does.choose(Math.min(from, this.active), Math.max(from, this.active), true);
		this.reveal(this.active);
	}

	// reveal scrolls the i-th tile into view.
	reveal(i) {
		const top = Math.floor(i / this.columns) * (this.high + this.gap), bottom = top + this.high + 2 * this.gap, { box } = this;
		if (top < box.scrollTop) box.scrollTop = top;
		else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
		this.show();
	}
}
