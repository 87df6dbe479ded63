// Browsing a collection: a grid of its instances that pass a filter.
import { ask, collectionPath } from "./api.js";
import { announce, choice, colourOf, confirm, el, empty, failed, fill, number, settle, toast } from "./ui.js";
import { countOf, openInstance } from "./instance.js";
import { labelMany } from "./labelmany.js";
import { Listing } from "./listing.js";
import { Shelf } from "./shelf.js";
import { shortId, thumb } from "./thumb.js";
import { found } from "./words.js";

const sorts = [["added", "When stored"], ["id", "ID"], ["patient", "Patient"], ["study", "Study"], ["name", "Name"], ["size", "File size"], ["label_time", "When labelled"]];

// open shows the grid in panel; see collection.js for part.
export async function open(panel, part) {
	const { context, signal, params } = part, chosen = new Set();
	const options = { filter: part.filter, sort: params.sort || undefined, descending: params.order === "desc" };
	let listing, shelf;
	const begin = async () => {
		listing = new Listing(context.name, options, (i) => trim(context, i), {
			signal, changed: () => shelf?.renew(), failed: (err) => fill(panel, failed(err, () => open(panel, part))),
		});
		await listing.begin(signal);
		return listing;
	};
	const told = el("p", { class: "muted", role: "status" }), deeds = el("div", { class: "row deeds", role: "group", "aria-label": "What to do with those chosen", hidden: true });
	const tell = () => {
		fill(told, `${countOf(listing.count, "case")}`);
		deeds.hidden = chosen.size === 0;
		fill(deeds, el("strong", {}, `${number(chosen.size)} chosen`), el("button", { type: "button", class: "primary", onclick: () => labelMany(context, [...chosen], () => { chosen.clear(); again(); }) }, "Label these"),
			el("a", { class: "button", href: like(context, [...chosen]) }, "Query by these"),
			el("button", { type: "button", class: "danger", onclick: () => removeThese(context, [...chosen], () => { chosen.clear(); again(); }) }, "Delete these"),
			el("button", { type: "button", class: "quiet", onclick: () => { chosen.clear(); shelf.mark(); tell(); shelf.box.focus(); } }, "None"));
	};
	const again = async () => {
		const top = shelf.box.scrollTop;
		try { await begin(); } catch (err) { if (err.name !== "AbortError") fill(panel, failed(err, () => open(panel, part))); return; }
		shelf.fill(listing.count);
		shelf.box.scrollTop = top;
		shelf.renew(true);
		tell();
	};
	await settle(panel, begin, () => {
		if (listing.count === 0) return empty("No case passes this filter", "Take a part of it away, or look for another.", el("button", { type: "button", onclick: () => part.refilter(undefined) }, "Clear the filter"));
		shelf = new Shelf(`Cases of ${context.name}`, {
			...dressing(context, () => listing, signal), chosen: (i) => chosen.has(listing.item(i)?.id), wanted: (from, to) => listing.want(from, to),
			open: (i) => show(i), choose: (from, to, add) => choose(listing, chosen, from, to, add, signal).then(() => { shelf.mark(); tell(); announce(`${number(chosen.size)} chosen`); }, (err) => { if (err.name !== "AbortError") toast(`Not chosen: ${err.detail || err.message}`, { kind: "bad" }); }),
		}, signal);
		const show = (i) => listing.item(i) && openInstance(context, listing.item(i).id, {
			changed: again, step: async (by) => {
				i = Math.max(0, Math.min(listing.count - 1, i + by));
				shelf.active = i;
				shelf.reveal(i);
				return listing.item(i)?.id;
			},
		});
		tell();
		announce(countOf(listing.count, "case") + " found");
		shelf.fill(listing.count);
		fill(part.tools, told, sorting(part));
		return [deeds, shelf.box];
	}, { what: "Listing", signal });
}

// like is the address that asks for cases like these.
export function like(context, ids) {
	const params = new URLSearchParams();
	for (const id of ids.slice(0, 100)) params.append("like", id);
	return context.href("query", params);
}

function sorting(part) {
	const { params } = part;
	return [
		choice("Sort by", sorts, params.sort || "added", (sort) => part.reopen({ sort: sort === "added" ? "" : sort })),
		choice("Order", [["", "Ascending"], ["desc", "Descending"]], params.order || "", (order) => part.reopen({ order })),
	];
}

// trim is what a tile needs of an instance, so that a list of many is small.
function trim(context, { id, frame, labels }) {
	const of = (t, l) => found(l).map((c) => [c, colourOf(t.classes ?? [], c.replace(/\?$/, ""))]);
	const said = (context.collection.tasks ?? []).filter((t) => labels?.[t.name]).flatMap((t) => (found(labels[t.name]).length > 0 ? of(t, labels[t.name]) : [["none", "var(--edge)"]]));
	return { id, frame, said };
}

// dressing shows an instance in a tile, and asks for its picture for as long as it is
// in view.
function dressing(context, listing, signal) {
	return {
		dress(tile, i) {
			const item = listing().item(i);
			if (!item) {
				fill(tile, el("span", { class: "thumb" }), el("span", { class: "what" }, " "));
				return false;
			}
			tile.leave = new AbortController();
			fill(tile, thumb(context.name, item.id, null, AbortSignal.any([signal, tile.leave.signal])), el("span", { class: "pickmark", "aria-hidden": "true" }),
				el("span", { class: "what" }, item.said.length === 0 ? el("span", { class: "muted" }, "unlabelled") : item.said.slice(0, 3).map(([c, colour]) => el("span", { class: "said" }, el("i", { class: "dot", style: { "--colour": colour } }), el("span", {}, c)))),
				el("span", { class: "muted id" }, shortId(item.id) + (item.frame ? `, frame ${item.frame}` : "")));
			return true;
		},
		undress(tile) {
			tile.leave?.abort();
			tile.leave = null;
			tile.known = false;
			fill(tile);
		},
	};
}

// choose takes the items from one to another as chosen, or lets go of them where all
// were and add is not said.
async function choose(listing, chosen, from, to, add, signal) {
	const [first, last] = [Math.min(from, to), Math.max(from, to)], there = [];
	for (let i = first; i <= last; i++) there.push(listing.item(i));
	const items = there.every(Boolean) ? there : await listing.slice(first, last, signal);
	const all = !add && items.every(({ id }) => chosen.has(id));
	for (const { id } of items) if (all) chosen.delete(id); else chosen.add(id);
}

const mostNamed = 5000; // IDs of a deletion

// removeThese deletes instances after a question, and only if all are still there.
async function removeThese(context, ids, done) {
	if (ids.length > mostNamed) return toast(`At most ${number(mostNamed)} can be deleted at once.`, { kind: "bad" });
	if (!await confirm(`Delete ${countOf(ids.length, "case")}?`, "They go with their vectors, labels and originals. This cannot be undone.", `Delete ${number(ids.length)}`)) return undefined;
	try {
		await ask("POST", collectionPath(context.name, "instances", "delete"), { body: { filter: { field: "id", in: ids }, expected: ids.length } });
		toast(`${countOf(ids.length, "case")} deleted.`);
		done();
	} catch (err) {
		toast(err.status === 403 ? `Your key does not allow this: ${err.detail}` : err.detail || err.message, { kind: "bad" });
	}
	return undefined;
}
