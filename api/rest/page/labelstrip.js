// The queue as a strip of thumbnails around the case that is being labelled.
import { el, fill } from "./ui.js";
import { shortId, thumbImage } from "./thumb.js";

const before = 6, after = 24; // thumbnails on either side

const marks = { stored: ["✓", "labelled"], storing: ["↑", "being stored"], failed: ["!", "not stored"], skipped: ["–", "skipped"] };

// Strip shows items; look(i) is called for the one that is chosen by mouse or keys.
export class Strip {
	constructor(name, signal, look) {
		Object.assign(this, { name, signal, look, nodes: new Map() });
		this.box = el("div", { class: "strip", role: "toolbar", "aria-label": "Queue", onkeydown: (e) => this.key(e) });
	}

	// show shows the items around the one at i; stateOf(id) is a key of marks, or "".
	show(items, at, stateOf) {
		const from = Math.max(0, at - before), near = items.slice(from, at + after);
		fill(this.box, near.map((item, i) => this.node(item, from + i, from + i === at, stateOf(item.id))));
		const current = this.box.children[at - from];
		if (current) this.box.scrollLeft = current.offsetLeft - this.box.offsetLeft - 3 * current.offsetWidth;
	}

	node(item, i, current, state) {
		const had = this.nodes.get(item.id) ?? this.make(item);
		const [mark, says] = marks[state] ?? ["", ""];
		had.at = i;
		had.tabIndex = current ? 0 : -1;
		had.className = "thumb " + state;
		had.toggleAttribute("aria-current", current);
		if (current) had.setAttribute("aria-current", "true");
		had.setAttribute("aria-label", ["Case", i + 1, shortId(item.id), says].filter(Boolean).join(" "));
		had.mark.textContent = mark;
		return had;
	}

	make(item) {
		const mark = el("span", { class: "badge", "aria-hidden": "true" });
		const b = Object.assign(el("button", { type: "button", onclick: () => this.look(b.at) }, thumbImage(this.name, item.id, "", 72, this.signal), mark), { mark });
		this.nodes.set(item.id, b);
		return b;
	}

	key(e) {
		const all = [...this.box.children], to = { ArrowLeft: -1, ArrowRight: 1, Home: -all.length, End: all.length }[e.key];
		if (to === undefined) return;
		e.preventDefault();
		const i = Math.max(0, Math.min(all.length - 1, all.indexOf(document.activeElement) + to));
		all.forEach((b, n) => { b.tabIndex = n === i ? 0 : -1; });
		all[i]?.focus();
	}
}
