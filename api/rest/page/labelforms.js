// The forms around labelling: who reads, another class, another task.
import { ask, collectionPath } from "./api.js";
import { dialog, el } from "./ui.js";

// reader is who reads in this tab: {name, all}, null until that is said. With all the
// labels stand for all readers.
export function reader() {
	try { return JSON.parse(sessionStorage.getItem("reader")); } catch { return null; }
}

// readerForm asks who reads, and tells done.
export function readerForm(done) {
	const had = reader(), problem = el("p", { class: "bad", role: "alert" });
	const name = el("input", { id: "reader", value: had?.name ?? "", autocomplete: "off", spellcheck: "false", maxlength: 64, "aria-describedby": "reader-hint" });
	const kind = (value, title, hint, checked) => el("label", { class: "label-option" }, el("input", { type: "radio", name: "kind", value, checked }), el("span", {}, title, el("span", { class: "muted small" }, hint)));
	const form = el("form", {
		class: "label-form", onsubmit: (e) => {
			e.preventDefault();
			if (name.value.trim() === "") {
				problem.textContent = "A name is needed, so that it can be told whose labels these are.";
				return name.focus();
			}
			const chosen = { name: name.value.trim(), all: form.elements.kind.value === "all" };
			sessionStorage.setItem("reader", JSON.stringify(chosen));
			return done(chosen);
		},
	}, el("label", { for: "reader" }, "Your name or initials"), name,
		el("p", { id: "reader-hint", class: "muted small" }, "Stored with each label as its source, and asked once in this tab."),
		el("fieldset", {}, el("legend", {}, "What you say is"),
			kind("mine", "One reading", "It stands beside what others say.", !had?.all), kind("all", "The label for all", "It decides, whatever single readers have said.", had?.all)),
		problem, el("button", { type: "submit", class: "primary" }, "Begin"));
	return form;
}

// classForm opens a dialog for another class of the task; done hears the collection.
export function classForm(context, task, done) {
	const name = el("input", { id: "new-class", required: true, autocomplete: "off" });
	const box = dialog("New class", submitting([el("label", { for: "new-class" }, `Class of ${task.name}`), name], "Add the class",
		() => declare(context, { name: task.name, multi: task.multi, classes: [name.value.trim()] }), (made) => { box.close(); done(made); }));
	name.focus();
}

// taskForm asks for a task with its classes; done hears the collection and the name.
export function taskForm(context, done) {
	const name = el("input", { id: "task-name", required: true, autocomplete: "off", placeholder: "finding" });
	const classes = el("textarea", { id: "task-classes", rows: 4, required: true, placeholder: "normal\npneumonia" });
	const multi = el("input", { type: "checkbox" });
	return submitting([el("label", { for: "task-name" }, "Task"), name, el("label", { for: "task-classes" }, "Classes, one in each line"), classes,
		el("label", { class: "row" }, multi, "An image may have several classes, or none")], "Make the task",
	() => declare(context, { name: name.value.trim(), multi: multi.checked, classes: [...new Set(classes.value.split("\n").map((c) => c.trim()).filter(Boolean))] }), (made) => done(made, name.value.trim()));
}

export function taskDialog(context, done) {
	const box = dialog("New task", taskForm(context, (made, name) => { box.close(); done(made, name); }));
	box.querySelector("input").focus();
}

const declare = (context, task) => ask("POST", collectionPath(context.name, "tasks"), { body: { tasks: [task] } });

// submitting is a form that sends, and says what was refused.
function submitting(fields, action, send, done) {
	const problem = el("p", { class: "bad", role: "alert" }), button = el("button", { type: "submit", class: "primary" }, action);
	return el("form", {
		class: "label-form", onsubmit: async (e) => {
			e.preventDefault();
			button.disabled = true;
			problem.textContent = "";
			try {
				done(await send());
			} catch (err) {
				problem.textContent = err.status === 403 ? `Your key does not allow this: ${err.detail}` : err.detail || err.message;
			}
			button.disabled = false;
		},
	}, fields, problem, el("div", { class: "row end" }, button));
}
