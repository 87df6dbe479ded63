// What all views are made of. Text from the server becomes text nodes, never HTML.

// el makes an element: el("p", {class: "muted", onclick: f}, "text", node, …).
// Attributes that are false, null or undefined are left out, true is an empty one;
// "on…" adds a listener, "style" takes an object of properties, "data" one of data-…
// A list among the children stands for its elements; null and false for nothing.
export function el(tag, attributes = {}, ...children) {
	return dress(document.createElement(tag), attributes, children);
}

// svg is el for SVG.
export function svg(tag, attributes = {}, ...children) {
	return dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function dress(node, attributes, children) {
	for (const [name, value] of Object.entries(attributes)) {
		if (value === false || value === null || value === undefined) continue;
		if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
		else if (name === "style") for (const [property, v] of Object.entries(value)) node.style.setProperty(property, v);
		else if (name === "data") Object.assign(node.dataset, value);
		else node.setAttribute(name, value === true ? "" : value);
	}
	node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
	return node;
}

// fill gives a node these children and no others.
export function fill(node, ...children) {
	node.replaceChildren(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
	return node;
}

// style lets a view's own rules hold until it is left, and resolves when they do.
export function style(name) {
	const href = "/page/" + name, link = document.querySelector(`link[href="${href}"]`) ?? el("link", { rel: "stylesheet", href, onload: () => hold(link) });
	link.dataset.wanted = "yes";
	if (link.sheet) return Promise.resolve(hold(link));
	return new Promise((resolve) => {
		link.addEventListener("load", resolve);
		link.addEventListener("error", resolve);
		if (!link.isConnected) document.head.append(link);
	});
}

const hold = (link) => { link.sheet.disabled = link.dataset.wanted !== "yes"; };

// unstyle ends the rules of all views.
export function unstyle() {
	for (const link of document.querySelectorAll("link[data-wanted]")) {
		link.dataset.wanted = "no";
		if (link.sheet) hold(link);
	}
}

// announce tells those who listen.
export function announce(text) {
	document.getElementById("announce").textContent = text;
}

// toast tells something for a while. With undo it has a button that does that.
export function toast(text, { undo, kind = "" } = {}) {
	const box = el("div", { class: "toast " + kind, role: kind === "bad" ? "alert" : null }, el("span", {}, text),
		undo && el("button", { type: "button", onclick: () => { box.remove(); undo(); } }, "Undo"),
		el("button", { type: "button", class: "quiet", "aria-label": "Dismiss", onclick: () => box.remove() }, "×"));
	document.getElementById("toasts").append(box);
	if (kind !== "bad") announce(text); // a new element of role status is not heard everywhere
	setTimeout(() => box.remove(), undo || kind === "bad" ? 12000 : 5000);
	return box;
}

// loading is the state of what is being fetched. Its tell(done, total, stage) shows
// how far that is; total 0 is unknown.
export function loading(what = "Loading", { cancel } = {}) {
	const text = el("p", {}, what + "…"), bar = el("progress", { max: 1, "aria-label": what });
	const box = el("div", { class: "state", role: "status" }, bar, text, cancel && el("button", { type: "button", onclick: cancel }, "Cancel"));
	box.tell = (done, total, stage) => {
		if (total > 0) bar.value = done / total;
		else bar.removeAttribute("value");
		text.textContent = (stage || what) + (total > 0 ? ` – ${number(done)} of ${number(total)}` : "…");
	};
	return box;
}

// empty is the state of what has nothing in it, and says what to do about that.
export function empty(title, hint, ...actions) {
	return el("div", { class: "state" }, el("h2", {}, title), hint && el("p", { class: "muted" }, hint), actions.length > 0 && el("div", { class: "row" }, actions));
}

// failed is the state of what the server refused, in its own words.
export function failed(err, again) {
	const forbidden = err.status === 403, gone = err.status === 0;
	return el("div", { class: "state bad", role: "alert" },
		el("h2", {}, forbidden ? "Your key does not allow this" : err.title ?? "Something went wrong"),
		el("p", {}, err.detail || (err.title ? "" : err.message)),
		err.errors?.length > 0 && el("ul", {}, err.errors.slice(0, 10).map((e) => el("li", {}, [e.name, e.problem?.detail || e.problem?.title || e.status].filter(Boolean).join(": ")))),
		err.code && el("p", { class: "muted small" }, `Code ${err.code}`),
		again && el("button", { type: "button", onclick: again }, gone ? "Try again" : "Retry"));
}

// settle shows in node how promise comes along: loading, then what render makes of
// its value, or the failure with a way to try again. It resolves with the value, or
// undefined where that failed, signal is aborted, or node shows something else by then.
export async function settle(node, begin, render, { what, signal } = {}) {
	const wait = loading(what), left = () => signal?.aborted || wait.parentNode !== node;
	fill(node, wait);
	node.setAttribute("aria-busy", "true");
	waiting.set(node, (waiting.get(node) ?? 0) + 1);
	try {
		const value = await begin(wait);
		if (left()) return undefined;
		fill(node, await render(value));
		return value;
	} catch (err) {
		if (err.name === "AbortError" || left()) return undefined;
		if (!("status" in err)) console.error(err);
		fill(node, failed(err, () => settle(node, begin, render, { what, signal })));
		return undefined;
	} finally {
		waiting.set(node, waiting.get(node) - 1);
		if (waiting.get(node) === 0) node.removeAttribute("aria-busy");
	}
}
const waiting = new WeakMap(); // how many wait in a node

// dialog opens a modal dialog with a title and returns its element; close() or Escape
// ends it, and the focus goes back to where it was.
export function dialog(title, ...children) {
	const back = document.activeElement, id = "d" + Math.random().toString(36).slice(2);
	const box = el("dialog", { class: "dialog", "aria-labelledby": id },
		el("header", {}, el("h2", { id }, title), el("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => box.close() }, "×")),
		el("div", { class: "body" }, children));
	box.addEventListener("close", () => { box.remove(); refocus(back); });
	box.addEventListener("click", (e) => { if (e.target === box) box.close(); });
	document.body.append(box);
	box.showModal();
	return box;
}

// refocus gives the focus back to an element, or to the one that has taken its place
// since and has the same data-is.
function refocus(back) {
	const now = back?.isConnected ? back : document.querySelector(`[data-is="${CSS.escape(back?.dataset?.is ?? "")}"]`);
	(now ?? document.getElementById("main")).focus();
}

// confirm asks before what cannot be undone, and resolves with the answer.
export function confirm(title, text, action) {
	return new Promise((resolve) => {
		let answer = false;
		const box = dialog(title, el("p", {}, text), el("div", { class: "row end" },
			el("button", { type: "button", onclick: () => box.close() }, "Cancel"),
			el("button", { type: "button", class: "danger", onclick: () => { answer = true; box.close(); } }, action)));
		box.addEventListener("close", () => resolve(answer));
	});
}

// chip is a short fact; with drop it has a button that takes it away.
export function chip(text, { drop, colour, title } = {}) {
	return el("span", { class: "chip", title }, colour && el("i", { class: "dot", style: { "--colour": colour } }), el("span", {}, text),
		drop && el("button", { type: "button", "aria-label": `Remove ${text}`, onclick: drop }, "×"));
}

// tabs are the parts of a view: entries of [name, title]; chosen(name) hears of a
// choice by mouse or arrow keys. panel is what they choose among (WAI-ARIA APG, Tabs).
export function tabs(label, entries, current, chosen, panel) {
	panel.id ||= "panel-" + label.toLowerCase().replace(/\W+/g, "-");
	panel.setAttribute("role", "tabpanel");
	const buttons = entries.map(([name, title]) => el("button", {
		type: "button", role: "tab", id: `tab-${name}`, "aria-controls": panel.id, "aria-selected": String(name === current), tabindex: name === current ? 0 : -1,
		onclick: () => choose(name), onkeydown: (e) => {
			const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key], at = entries.findIndex(([n]) => n === name);
			if (!step) return;
			e.preventDefault();
			choose(entries[(at + step + entries.length) % entries.length][0], true);
		},
	}, title));
	const choose = (name, focus) => {
		buttons.forEach((b, i) => {
			const is = entries[i][0] === name;
			b.setAttribute("aria-selected", String(is));
			b.tabIndex = is ? 0 : -1;
			if (is && focus) b.focus();
		});
		panel.setAttribute("aria-labelledby", `tab-${name}`);
		chosen(name);
	};
	panel.setAttribute("aria-labelledby", `tab-${current}`);
	return el("div", { class: "tabs", role: "tablist", "aria-label": label }, buttons);
}

// choice is a labelled select of [value, text] entries.
export function choice(label, entries, current, chosen, attributes = {}) {
	return el("label", { class: "pick" }, el("span", {}, label),
		el("select", { ...attributes, onchange: (e) => chosen(e.target.value) }, entries.map(([value, text]) => el("option", { value, selected: value === current }, text))));
}

// colours tell classes apart, by their order in a task: Okabe and Ito's set for all
// kinds of colour vision, lightened for dark grounds; more classes than colours
// begin again.
export const colours = ["#6cb6ff", "#f0a34a", "#3fc79a", "#e6d65c", "#d98cc0", "#ec7c5a", "#9aa8ff", "#b9c3cf"];
export const colourOf = (classes, name) => colours[Math.max(0, classes.indexOf(name)) % colours.length];

// number, share, bytes and when write figures for people.
export const number = (n) => n.toLocaleString("en");
export const share = (p, digits = 0) => (100 * p).toFixed(digits) + " %";
export const decimal = (x, digits = 3) => (x === null || x === undefined || Number.isNaN(x) ? "–" : x.toFixed(digits));
export function bytes(n) {
	const units = ["bytes", "kB", "MB", "GB", "TB"];
	let i = 0;
	for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
	return `${i === 0 ? n : n.toFixed(n < 10 ? 1 : 0)} ${units[i]}`;
}
export const when = (time) => new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
