// How the server is, as cards that renew themselves: what is told often, the rest
// seldom. A card is
//
//	{ id, title, every, load(desk), show(value, desk) }
//
// load asks the server and show makes elements of what it said; every is seconds. A
// desk has what cards share: context, know and again. A card that the key does not
// allow says so and is asked for again only on request.
import { pause } from "./api.js";
import { el, failed, fill, loading, style, when } from "./ui.js";
import { collections, reembedding, storage } from "./operationdata.js";
import { backups, jobs, verification } from "./operationjobs.js";
import { keys } from "./operationkeys.js";
import { health, models, webhooks } from "./operationserver.js";

export const title = "Operation";

// open shows the cards, and renews them while somebody looks.
export async function open(main, context) {
	fill(main, loading());
	await style("operation.css");
	const lost = el("p", { class: "lost", role: "status", hidden: true });
	const desk = { context, known: {}, cards: [health, jobs, collections, storage, models, reembedding, backups, verification, keys, webhooks].map(place) };
	desk.know = (id) => desk.known[id];
	desk.again = (...ids) => Promise.all(desk.cards.filter((c) => ids.includes(c.id)).map((c) => renew(c, desk, true)));
	desk.reached = (is) => reached(lost, is);
	fill(main, lost, el("div", { class: "desk" }, desk.cards.map((c) => c.box)));
	context.bind({ r: ["Ask for everything again", () => desk.again(...desk.cards.map((c) => c.id))] });
	await Promise.all(desk.cards.map((c) => renew(c, desk)));
	watch(desk);
}

// place makes the box of a card.
function place(card) {
	const body = el("div", { class: "stack" }, el("p", { class: "muted" }, "Loading…"));
	body.setAttribute("aria-busy", "true");
	const heading = el("h2", { id: "card-" + card.id, tabindex: -1 }, card.title);
	return { ...card, body, heading, due: 0, box: el("section", { class: "card", "aria-labelledby": heading.id }, heading, body) };
}

// watch renews what is due until the view is left; nothing while the page is hidden
// or a dialog is open.
async function watch(desk) {
	const { signal } = desk.context;
	try {
		for (; ;) {
			await pause(1000, signal);
			if (document.hidden || document.querySelector("dialog[open]")) continue;
			for (const card of desk.cards) if (!card.forbidden && Date.now() >= card.due) renew(card, desk);
		}
	} catch { /* left */ }
}

// renew asks for what a card tells, and shows it if it is not what is shown.
async function renew(card, desk, asked) {
	if (card.busy && !asked) return;
	card.busy = true;
	try {
		const value = await card.load(desk);
		if (desk.context.signal.aborted) return;
		desk.known[card.id] = value;
		desk.reached(true);
		present(card, JSON.stringify(value), () => card.show(value, desk));
		card.forbidden = false;
	} catch (err) {
		if (err.name !== "AbortError" && !desk.context.signal.aborted) refused(card, desk, err);
	} finally {
		card.busy = false;
		card.due = Date.now() + card.every * 1000;
		card.body.removeAttribute("aria-busy");
	}
}

// refused shows why a card has nothing to tell. What was shown before stays while the
// server cannot be reached.
function refused(card, desk, err) {
	if (!("status" in err)) console.error(err);
	if (err.status === 0) {
		desk.reached(false);
		if (card.shown) return;
	}
	card.forbidden = err.status === 403;
	present(card, "refused " + err.message, () => {
		const box = failed(err, () => renew(card, desk, true));
		box.removeAttribute("role"); // ten of them at once would be noise
		return box;
	});
}

// present fills a card if what it tells has changed, and leaves the focus and what was
// unfolded where they were. While a button of it is being pressed it waits, lest the
// click be lost with the button.
function present(card, seen, make) {
	if (card.shown === seen) return;
	if (card.body.matches(":active")) return addEventListener("pointerup", () => setTimeout(() => present(card, seen, make)), { once: true });
	card.shown = seen;
	const at = card.body.contains(document.activeElement) ? document.activeElement.dataset.is ?? "" : null;
	const unfolded = [...card.body.querySelectorAll("details[open]")].map((d) => d.dataset.is);
	fill(card.body, make());
	for (const d of card.body.querySelectorAll("details")) d.open = unfolded.includes(d.dataset.is);
	if (at !== null) (card.body.querySelector(`[data-is="${CSS.escape(at)}"]:not(:disabled)`) ?? card.heading).focus({ preventScroll: true });
}

// reached says when the server was heard last, once it is not any more.
function reached(lost, is) {
	if (is) {
		lost.hidden = true;
		lost.dataset.last = new Date().toISOString();
	} else if (lost.hidden) {
		lost.hidden = false;
		fill(lost, el("i", { class: "dot bad", "aria-hidden": "true" }), ` The server cannot be reached. This is how it was ${lost.dataset.last ? when(lost.dataset.last) : "before"}; it is asked again every few seconds.`);
	}
}
