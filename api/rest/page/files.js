// The images of a study folder: each is asked about by itself, as the contract takes one
// image at a time; what is stored can be asked about as a whole study.
import { el, number } from "./ui.js";
import { classify } from "./asked.js";
import { percent } from "./words.js";

const mostAsked = 200; // images whose predictions are asked for by themselves

// fileList lists the files of a subject as a listbox; chosen(at) hears which is to be
// shown. It asks, one after the other, what is predicted for each.
export function fileList(subject, context, q, chosen) {
	const name = (f) => f.webkitRelativePath || f.name;
	const items = subject.files.map((f, i) => el("li", { role: "option", id: "file-" + i, "aria-selected": String(i === subject.at), onclick: () => choose(i) }, el("span", { class: "path" }, name(f)), el("span", { class: "muted small" }, "")));
	const list = el("ul", { role: "listbox", tabindex: 0, class: "files", "aria-label": "Images", "aria-activedescendant": "file-" + subject.at });
	const choose = (at) => {
		items.forEach((li, i) => li.setAttribute("aria-selected", String(i === at)));
		list.setAttribute("aria-activedescendant", "file-" + at);
		items[at].scrollIntoView({ block: "nearest" });
		chosen(at);
	};
	list.append(...items);
	list.addEventListener("keydown", (e) => {
		const to = { ArrowDown: subject.at + 1, ArrowRight: subject.at + 1, ArrowUp: subject.at - 1, ArrowLeft: subject.at - 1, Home: 0, End: items.length - 1 }[e.key];
		if (to === undefined) return;
		e.preventDefault();
		if (to >= 0 && to < items.length) choose(to);
	});
	const progress = el("p", { class: "muted small", role: "status" });
	predictions(subject, context, q, items, progress);
	return el("section", { class: "card folder", "aria-label": "Images of the folder" }, list, progress);
}

async function predictions(subject, context, q, items, progress) {
	const labelled = Object.keys(context.collection.status.labelled ?? {}).length > 0, most = Math.min(subject.files.length, mostAsked);
	const note = "The server takes one image at a time, so each is asked about by itself; a stored study can be asked about as a whole.";
	progress.textContent = note;
	if (!labelled) return;
	let failed = 0;
	for (let i = 0; i < most && !context.signal.aborted; i++) {
		progress.textContent = `${number(i)} of ${number(most)} answered. ${note}`;
		const text = await classify(context.name, { ...subject, at: i }, { ...q, filter: undefined, level: "", k: 0, frame: 0 }, context.signal).then(predicted, (err) => {
			failed++;
			return err.name === "AbortError" ? "" : err.title;
		});
		items[i].lastChild.textContent = text;
	}
	progress.textContent = `${number(most - failed)} of ${number(subject.files.length)} images answered${failed > 0 ? `, ${number(failed)} refused` : ""}. ${note}`;
}

const predicted = ({ tasks }) => (tasks ?? []).map((t) => {
	const p = t.probabilities?.find((p) => t.prediction?.includes(p.class));
	return (t.prediction?.join(", ") || (t.multi ? "none" : "no prediction")) + (p && !t.multi ? ` ${percent(p.probability)}` : "");
}).join(" · ");
