// A label for many instances at once.
import { ask, collectionPath } from "./api.js";
import { choice, dialog, el, fill, number, toast } from "./ui.js";

const most = 10000; // labels of a request, which are stored all or none

// labelMany asks for a label and stores it for all instances with these IDs; done()
// is called when it has been.
export function labelMany(context, ids, done) {
	const tasks = context.collection.tasks ?? [];
	if (tasks.length === 0) return toast("The collection has no tasks to label for.", { kind: "bad" });
	if (ids.length > most) return toast(`At most ${number(most)} can be labelled at once; ${number(ids.length)} are chosen.`, { kind: "bad" });
	let task = tasks[0];
	const classes = el("fieldset", { class: "plain stack" }), problem = el("p", { class: "bad", role: "alert" });
	const draw = () => fill(classes, el("legend", {}, task.multi ? "Classes that are present (none is an answer too)" : "Class"), (task.classes ?? []).map((c, i) =>
		el("label", { class: "row" }, el("input", { type: task.multi ? "checkbox" : "radio", name: "class", value: c, checked: !task.multi && i === 0 }), c)));
	const reader = el("input", { type: "text", autocomplete: "off", "aria-describedby": "reader-hint", maxlength: 256 });
	draw();
	const form = el("form", {
		class: "stack", onsubmit: async (e) => {
			e.preventDefault();
			const chosen = [...classes.querySelectorAll(":checked")].map((c) => c.value);
			try {
				const said = await store(context, ids, { task: task.name, classes: chosen, reader: reader.value.trim() });
				box.close();
				toast(`${number(said.labels)} labelled ${chosen.join(", ") || "with nothing present"}: ${number(said.new)} new, ${number(said.changed)} changed.`);
				done();
			} catch (err) {
				problem.textContent = err.status === 403 ? `Your key does not allow this: ${err.detail}` : [err.detail || err.message, ...(err.errors ?? []).slice(0, 3).map((x) => x.problem?.detail)].filter(Boolean).join(" ");
			}
		},
	}, tasks.length > 1 && choice("Task", tasks.map((t) => [t.name, t.name]), task.name, (name) => { task = tasks.find((t) => t.name === name); draw(); }),
	classes, el("label", { class: "pick" }, el("span", {}, "Reader"), reader), el("p", { id: "reader-hint", class: "muted small" }, "Empty is a label that stands for all. What was said before stays in each history."),
	problem, el("div", { class: "row end" }, el("button", { type: "submit", class: "primary" }, `Label ${number(ids.length)}`)));
	const box = dialog(ids.length === 1 ? "Label this case" : `Label ${number(ids.length)} cases`, form);
	box.classList.add("labelling");
	return box;
}

const store = (context, ids, { task, classes, reader }) => ask("POST", collectionPath(context.name, "labels"), {
	body: { labels: ids.map((instance) => ({ instance, task, classes, source: "page", ...(reader && { reader }) })) }, signal: context.signal,
});
