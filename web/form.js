// form - the filter as a form: what is typed becomes a filter, and a filter fills the form.
//
// Owns the form's elements.  What is accepted is filter's to say.

import { FIELDS, PARTNERS, SOURCES, STATUSES, SUBJECTS, fault, withDays } from "./filter.js";
import { keepKey, readKey } from "./key.js";
import { element } from "./show.js";

const ANY = "*"; // no filter; the empty source is one

function fill(select, options) {
  select.replaceChildren(...options.map(([value, label]) => element("option", { value }, label)));
}

export class FilterForm {
  // onShow is told the filter when somebody asks for it.
  constructor(form, onShow) {
    this.form = form;
    this.part = (id) => form.querySelector(`#${id}`);
    fill(this.part("status"), [[ANY, "Any"], ...STATUSES.map((status) => [status, status])]);
    fill(this.part("source"), [[ANY, "Any"], ...SOURCES.map((source) => [source, source === "" ? "none" : source])]);
    fill(this.part("subject"), [[ANY, "Everything"], ...Object.entries(SUBJECTS)]);
    fill(this.part("partner"), PARTNERS.map((partner) => [partner, partner]));
    this.part("subject").addEventListener("change", () => {
      this.part("subject-value").value = "";
      this.arrange();
    });
    form.addEventListener("input", (event) => this.checkField(event.target.id));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit(onShow);
    });
    this.part("clear").addEventListener("click", () => {
      this.write({ org: this.read().org });
      this.submit(onShow);
    });
    this.arrange();
  }

  // The place for one partner, or for one identifier, or none.
  arrange() {
    const subject = this.part("subject").value;
    this.part("partner-place").hidden = subject !== "partner";
    this.part("subject-place").hidden = subject === ANY || subject === "partner";
    if (subject in SUBJECTS && subject !== "partner") this.part("subject-label").textContent = `${FIELDS[subject].label} id`;
  }

  read() {
    const filter = {};
    for (const name of ["org", "startDate", "endDate", "metaInfo"]) {
      const value = this.part(name).value;
      if (value.trim() !== "") filter[name] = value;
    }
    for (const name of ["status", "source"]) {
      if (this.part(name).value !== ANY) filter[name] = this.part(name).value;
    }
    const subject = this.part("subject").value;
    if (subject !== ANY) filter[subject] = this.part(subject === "partner" ? "partner" : "subject-value").value;
    return filter;
  }

  write(filter) {
    const full = withDays(filter);
    for (const name of ["org", "metaInfo"]) this.part(name).value = full[name] ?? "";
    // An input for dates has no place for what is none.
    for (const name of ["startDate", "endDate"]) this.part(name).value = FIELDS[name].check(full[name] ?? "") === "" ? full[name] : "";
    for (const name of ["status", "source"]) this.part(name).value = full[name] ?? ANY;
    const subject = Object.keys(SUBJECTS).find((name) => full[name] !== undefined) ?? ANY;
    this.part("subject").value = subject;
    if (subject !== ANY) this.part(subject === "partner" ? "partner" : "subject-value").value = full[subject];
    this.part("key").value = readKey();
    this.part("more").open ||= full.metaInfo !== undefined;
    for (const name of Object.keys(FIELDS)) this.say(name, "");
    this.arrange();
  }

  // The input of a field.
  input(name) {
    return this.part(name in SUBJECTS && name !== "partner" ? "subject-value" : name);
  }

  say(name, words) {
    const input = this.input(name);
    const place = this.part(`${input.id}-fault`);
    if (place === null) return;
    place.textContent = words === "" ? "" : `${FIELDS[name].label} ${words}`;
    if (words === "") input.removeAttribute("aria-invalid");
    else input.setAttribute("aria-invalid", "true");
  }

  // While somebody types: metaInfo at each character, of the others that a fault is mended.
  checkField(id) {
    const name = id === "subject-value" ? this.part("subject").value : id;
    if (!(name in FIELDS)) return;
    const input = this.input(name);
    if (id !== "metaInfo" && !input.hasAttribute("aria-invalid")) return;
    this.say(name, input.value.trim() === "" ? "" : FIELDS[name].check(input.value));
  }

  submit(onShow) {
    const filter = withDays(this.read());
    for (const name of Object.keys(FIELDS)) this.say(name, "");
    const found = fault(filter);
    keepKey(this.part("key").value);
    if (found === null) {
      onShow(filter);
      return;
    }
    if (found[0] === "metaInfo") this.part("more").open = true;
    this.say(...found);
    this.input(found[0]).focus();
  }

  focusKey() {
    this.part("key").focus();
    this.part("key").select();
  }
}
