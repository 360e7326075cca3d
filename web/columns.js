// columns - what a line about a record shows, and what lines can be sorted by.

import { Digits } from "./exact.js";
import { element, foreign } from "./show.js";

export function timeInWords(time) {
  return time.replace("T", " ").replace(/\.\d+Z$/, "");
}

export function statusMark(status) {
  return element("span", { class: `status ${/^[A-Z_]+$/.test(status) ? status.toLowerCase() : ""}` }, foreign(status));
}

// A value of records as text: an amount with the digits that came, all else as it is written.
export function amountText(value) {
  return value instanceof Digits || typeof value === "string" ? String(value) : JSON.stringify(value);
}

function amounts(record) {
  const pairs = record.get("records").pairs;
  return pairs.flatMap(([name, value], index) => [
    ...(index === 0 ? [] : [" · "]),
    element("span", { class: "amount" }, foreign(name), " ", element("b", {}, foreign(amountText(value)))),
  ]);
}

const text = (name) => (record) => [foreign(record.get(name))];

// sort: the member that a column sorts by; a column without one cannot.
export const COLUMNS = [
  { label: "Created (UTC)", sort: "creationTime", cells: (record) => [timeInWords(record.get("creationTime"))] },
  { label: "Status", sort: "status", cells: (record) => [statusMark(record.get("status"))] },
  { label: "Partner", sort: "partner", cells: text("partner") },
  { label: "Buyer", sort: "buyerID", cells: text("buyerID") },
  { label: "Entitlement", sort: "entitlementID", cells: text("entitlementID") },
  { label: "Amounts", cells: amounts },
];

// The link that opens a record in full.
export function recordLink(record, addressOf) {
  return element("a", { href: addressOf(record.get("id")), class: "record" }, foreign(record.get("id")));
}
