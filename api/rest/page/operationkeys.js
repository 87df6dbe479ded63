// The card of API keys. A token is in the page only while the dialog is open that
// shows it.
import { ask } from "./api.js";
import { attempt, button, facts, none, said, sign, table } from "./operationcards.js";
import { choice, confirm, dialog, el, when } from "./ui.js";

const scopes = [["read", "see, search, classify, export"], ["write", "store and delete images"], ["label", "add and correct labels"], ["admin", "all of that, and operate the server"]];
const day = 24 * 3600 * 1000, hour = 3600;
const path = (key) => "/v1/keys/" + encodeURIComponent(key.id);

export const keys = {
	id: "keys", title: "Keys", every: 20,
	load: async ({ context }) => (await ask("GET", "/v1/keys", { signal: context.signal })).keys,
	show(all, desk) {
		const [valid, ended] = [all.filter((k) => !isOver(k)), all.filter(isOver)];
		const list = (some) => table("Keys", ["Name", "ID", "Scopes", "Collections", "Ends", "Last used", ""], some.map((k) => row(k, desk)));
		return [
			all.length === 0 ? none("There is no key: whoever is on this machine may do everything. Once there is one, everybody needs one.") : valid.length > 0 ? list(valid) : none("Every key has ended."),
			ended.length > 0 && el("details", { data: { is: "ended" } }, el("summary", {}, `${ended.length} that have ended`), list(ended)),
			el("div", { class: "row" }, el("button", { type: "button", data: { is: "make" }, "aria-haspopup": "dialog", onclick: () => make(desk, all.length === 0) }, "Make a key…")),
		];
	},
};

const isOver = (k) => k.revoked !== undefined || (k.expires !== undefined && new Date(k.expires) <= new Date());

function row(k, desk) {
	const over = isOver(k);
	return [
		el("b", { class: "wrap" }, k.name), el("code", {}, k.id), k.scopes.join(", "), k.collections?.join(", ") || "all",
		k.revoked ? sign("bad", `ended ${when(k.revoked)}`) : k.expires ? sign(over ? "bad" : "good", `${over ? "expired " : ""}${when(k.expires)}`) : "never",
		[k.last_used ? when(k.last_used) : "never", k.old_until && new Date(k.old_until) > new Date() && el("div", { class: "muted small" }, `its token before is valid until ${when(k.old_until)}`)],
		!over && el("div", { class: "row" }, el("button", { type: "button", data: { is: "rotate-" + k.id }, "aria-label": `Rotate ${k.name}`, "aria-haspopup": "dialog", onclick: () => rotate(k, desk) }, "Rotate…"),
			button("End", "end-" + k.id, () => end(k, desk), { class: "danger", "aria-label": `End ${k.name}` })),
	];
}

async function end(k, desk) {
	if (!await confirm(`End the key ${k.name}?`, "Whoever uses it is refused at once, and it cannot be brought back.", "End the key")) return;
	await ask("DELETE", path(k));
	said(`The key ${k.name} has ended.`);
	await desk.again("keys");
}

// make asks what a key is to be, makes it and shows its token.
function make(desk, first) {
	let lasts = "0";
	const name = el("input", { type: "text", id: "key-name", required: true, maxlength: 200, autocomplete: "off", "aria-describedby": "key-name-hint" });
	const may = el("fieldset", {}, el("legend", {}, "It may"), scopes.map(([scope, what]) => el("label", { class: "row" }, el("input", { type: "checkbox", name: "scope", value: scope, checked: scope === "read" }), el("b", {}, scope), el("span", { class: "muted small" }, what))));
	const there = desk.know("collections") ?? [];
	const where = there.length > 0 && el("fieldset", {}, el("legend", {}, "In these collections; in all if none is chosen"), there.map((c) => el("label", { class: "row" }, el("input", { type: "checkbox", name: "collection", value: c.name }), c.name)));
	const problem = el("p", { class: "bad", role: "alert", hidden: true }, "Choose what it may.");
	const chosen = (box, of) => box ? [...box.querySelectorAll(`input[name=${of}]:checked`)].map((i) => i.value) : [];
	const box = dialog("Make a key", el("form", {
		class: "stack", onsubmit: async (e) => {
			e.preventDefault();
			if (!(problem.hidden = chosen(may, "scope").length > 0)) return;
			const collections = chosen(where, "collection"), wanted = { name: name.value.trim(), scopes: chosen(may, "scope") };
			if (collections.length > 0) wanted.collections = collections;
			if (lasts !== "0") wanted.expires = new Date(Date.now() + Number(lasts) * day).toISOString();
			await attempt(async () => issued(await ask("POST", "/v1/keys", { body: wanted }), desk, box));
		},
	}, first && el("p", {}, "This is the first key. From now on everybody needs one, and this page will ask for one: make one with admin first."),
		el("label", { for: "key-name" }, "Whose it is"), name, el("p", { id: "key-name-hint", class: "muted small" }, "A person, a modality or a script, so that you know later what ends with it."), may, where, problem,
		choice("It ends", [["0", "never"], ["30", "in 30 days"], ["90", "in 90 days"], ["365", "in a year"]], lasts, (v) => { lasts = v; }),
		el("div", { class: "row end" }, el("button", { type: "button", onclick: () => box.close() }, "Cancel"), el("button", { type: "submit", class: "primary" }, "Make the key"))));
	name.focus();
}

// rotate gives a key another token.
function rotate(k, desk) {
	let grace = "24";
	const box = dialog(`Rotate ${k.name}`, el("form", {
		class: "stack", onsubmit: async (e) => {
			e.preventDefault();
			await attempt(async () => issued(await ask("POST", path(k) + "/rotate", { body: { grace_seconds: Number(grace) * hour } }), desk, box));
		},
	}, el("p", { class: "muted" }, "It gets a new token. The old one is valid for a while, so that whoever uses it can change over."),
		choice("The old token is valid for", [["0", "no time"], ["1", "an hour"], ["24", "a day"], ["168", "a week"]], grace, (v) => { grace = v; }),
		el("div", { class: "row end" }, el("button", { type: "button", onclick: () => box.close() }, "Cancel"), el("button", { type: "submit", class: "primary" }, "Rotate"))));
}

// issued shows a token once, in place of the dialog that asked for it.
function issued({ key, token }, desk, asked) {
	asked.close();
	const field = el("input", { type: "text", id: "token", readonly: true, spellcheck: "false", autocomplete: "off", value: token, onfocus: () => field.select() });
	const copied = el("span", { role: "status", class: "small" });
	const copy = el("button", {
		type: "button", class: "primary", onclick: async () => {
			try {
				await navigator.clipboard.writeText(token);
				copied.textContent = "Copied.";
			} catch { // where the browser does not let pages write there
				field.focus();
				copied.textContent = "It is marked: press Ctrl and C.";
			}
		},
	}, "Copy");
	const box = dialog(`The key ${key.name}`, el("p", {}, "This is its token. It is shown this once and kept nowhere: copy it now."),
		el("label", { for: "token" }, "Token"), field, el("div", { class: "row" }, copy, copied), facts([["May", key.scopes.join(", ")], ["In", key.collections?.join(", ") || "all collections"], ["Ends", key.expires ? when(key.expires) : "never"]]),
		el("div", { class: "row end" }, el("button", { type: "button", onclick: () => box.close() }, "Done")));
	box.addEventListener("close", () => { field.value = ""; desk.again("keys"); });
	copy.focus();
}
