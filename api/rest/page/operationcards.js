// What the cards of the operation view are made of.
import { Problem } from "./api.js";
import { el, toast } from "./ui.js";

// table is one of rows, lists of cells. A heading that begins with "#" is of figures.
// Its caption is for those who hear it. It scrolls by itself where it is too wide.
export function table(caption, headings, rows) {
	const figure = headings.map((h) => h.startsWith("#"));
	const cell = (tag, content, i) => el(tag, { class: figure[i] && "figure", scope: tag === "th" && "col" }, content);
	return el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": caption }, el("table", {}, el("caption", { class: "hidden" }, caption),
		el("thead", {}, el("tr", {}, headings.map((h, i) => cell("th", h.replace("#", "") || el("span", { class: "hidden" }, "About it"), i)))),
		el("tbody", {}, rows.map((row) => el("tr", {}, row.map((content, i) => cell("td", content, i)))))));
}

// sign is a dot with words: kind is good, warn, bad or nothing.
export const sign = (kind, text) => el("span", { class: "sign" }, el("i", { class: "dot " + kind, "aria-hidden": "true" }), el("span", {}, text));

// button does something that a server may refuse, and says so if it does. is tells it
// from others in its card, so that the focus finds it again.
export function button(text, is, does, attributes = {}) {
	const one = el("button", {
		type: "button", data: { is }, ...attributes, onclick: async () => {
			if (one.hasAttribute("aria-disabled")) return;
			one.setAttribute("aria-disabled", "true");
			await attempt(does);
			one.removeAttribute("aria-disabled");
		},
	}, text);
	return one;
}

// attempt runs what may be refused, and tells why it was. It resolves with whether it
// was not.
export async function attempt(does) {
	try {
		await does();
		return true;
	} catch (err) {
		if (err.name === "AbortError") return false;
		if (!(err instanceof Problem)) console.error(err);
		const why = err.status === 403 ? "Your key does not allow this" : err.title ?? "Something went wrong";
		toast([why, err.detail || (err.title ? "" : err.message)].filter(Boolean).join(": "), { kind: "bad" });
		return false;
	}
}

// said tells what has been done, to those who look and those who listen.
export const said = (text) => toast(text);

// facts is a list of what is what; those without a value are left out.
export const facts = (entries) => el("dl", { class: "facts" }, entries.filter(([, value]) => value !== undefined && value !== null && value !== "")
	.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));

// none is what a card shows that has nothing to tell.
export const none = (text) => el("p", { class: "muted" }, text);

// lasting is a time in nanoseconds or between two moments, for people.
export function lasting(from, to) {
	const seconds = to === undefined ? from / 1e9 : (new Date(to) - new Date(from)) / 1000;
	if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
	return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}
