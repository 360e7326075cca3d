// explorer - puts the page together: the address says what is shown, and everything else follows.
//
//   address -> filter -> form, view -> calls -> charts and tables
//
// A form that is sent, and a link that is clicked, change the address; so does "back".

import { ask } from "./api.js";
import { Download } from "./download.js";
import { fault, fromAddress, recordTarget, toAddress, withDays } from "./filter.js";
import { FilterForm } from "./form.js";
import { message, wordsOf } from "./messages.js";
import { describe } from "./record.js";
import { element, foreign } from "./show.js";
import { View } from "./view.js";

const places = Object.fromEntries([...document.querySelectorAll("[id]")].map((place) => [place.id, place]));
const form = new FilterForm(places.filter, (filter) => go(toAddress(filter), true));
const view = new View(places, { onOpen: openRecord, onKey: () => form.focusKey() });
const download = new Download(places.progress);
let shown = null; // the address of the view, without a record

// -- the address

// isAnew: what is shown already is asked for again, perhaps with another key.
function go(address, isAnew = false) {
  if (isAnew) shown = null;
  if (location.search !== address) history.pushState({ isOurs: true }, "", address === "" ? location.pathname : address);
  follow();
}

function follow() {
  const given = fromAddress(location.search);
  const record = new URLSearchParams(location.search).get("record");
  const filter = given.org === undefined ? given : withDays(given);
  const address = toAddress(filter);
  if (address !== shown) {
    shown = address;
    download.cancel();
    places.progress.replaceChildren();
    form.write(given);
    showFilter(filter);
  }
  showRecord(filter, record);
}

function showFilter(filter) {
  document.title = filter.org === undefined ? "Usage records" : `${filter.org} – Usage records`;
  const found = filter.org === undefined ? null : fault(filter);
  if (filter.org !== undefined && found === null) {
    view.show(filter);
    return;
  }
  view.stop();
  places.view.hidden = true;
  places.welcome.hidden = found !== null;
  places.told.textContent = "";
  places.showing.hidden = true;
  places.alert.replaceChildren();
  places.main.setAttribute("aria-busy", "false");
  if (found !== null) form.say(...found);
  if (found !== null) places.alert.replaceChildren(message({ title: "This address has a filter that is not accepted", text: `${found[0]} ${found[1]}.` }));
}

addEventListener("popstate", follow);

// Links of the page to itself are followed without loading it again.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (link === null || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (!link.getAttribute("href").startsWith("?")) return;
  event.preventDefault();
  go(link.getAttribute("href"));
  places.showing.focus();
});

// -- one record

let opened = null; // the record that was opened from a line, which needs no call

function openRecord(record) {
  opened = record;
  go(view.addressOf(record.get("id")));
}

function recordLinks(record, filter) {
  const days = { org: filter.org, startDate: filter.startDate, endDate: filter.endDate };
  return [
    ["Records of this buyer", { ...days, buyerId: record.get("buyerID") }],
    ["Records of this entitlement", { ...days, entitlementId: record.get("entitlementID") }],
    [`Records that are ${record.get("status")}`, { ...days, status: record.get("status") }],
  ]
    .filter(([, one]) => fault(one) === null)
    .map(([label, one]) => [label, toAddress(one)]);
}

async function showRecord(filter, id) {
  const { record, "record-title": title, "record-content": content } = places;
  if (id === null || filter.org === undefined) {
    record.close();
    return;
  }
  title.replaceChildren("Record ", foreign(id));
  if (opened?.get("id") === id) {
    content.replaceChildren(...describe(opened, recordLinks(opened, filter)));
  } else {
    content.replaceChildren(element("p", { class: "waiting" }, "Loading …"));
    fetchRecord(filter, id);
  }
  opened = null;
  if (!record.open) record.showModal();
}

async function fetchRecord(filter, id) {
  const { "record-content": content } = places;
  const isStill = () => new URLSearchParams(location.search).get("record") === id;
  try {
    const { value } = await ask(recordTarget(filter.org, id));
    if (isStill()) content.replaceChildren(...describe(value, recordLinks(value, filter)));
  } catch (error) {
    if (!isStill()) return;
    const words = error.status === 404 ? { title: "There is no record of this id", text: "Or this service cannot look up one record." } : wordsOf(error, filter.org);
    content.replaceChildren(element("div", { role: "alert" }, message(words)));
  }
}

// Closing is going back, where opening was a step forward.
function closeRecord() {
  if (new URLSearchParams(location.search).get("record") === null) return;
  if (history.state?.isOurs) history.back();
  else {
    history.replaceState(null, "", shown === "" ? location.pathname : shown);
    follow();
  }
}

places.record.addEventListener("close", closeRecord);
places.record.addEventListener("click", (event) => {
  if (event.target === places.record) places.record.close();
});
places["record-close"].addEventListener("click", () => places.record.close());

// -- the whole list as a file

places.download.addEventListener("click", () => download.start(view.filter, view.total));
places.print.addEventListener("click", () => print());

follow();
