// filter - what somebody looks at: organization, days, and which records.
//
// Owns the table of a filter's fields, its form in the page's address and its form in a call.
// A filter is a plain object of texts; an absent field is no filter, source alone may be empty.
// Knows neither the document nor the network.

import { addDays, isDay, today } from "./days.js";
import { compact } from "./metainfo.js";

export const PARTNERS = ["AWS", "AZURE", "GCP"];
export const STATUSES = ["REPORTED", "REPORT_PENDING", "CREATED", "REPORT_FAILED", "INVALID", "DELETED"];
export const FAILING = ["REPORT_FAILED", "INVALID"];
export const SOURCES = ["", "API", "INTERNAL", "METRONOME", "ORB"];

// The service takes one of these four at most.
export const SUBJECTS = {
  partner: "Partner",
  buyerId: "Buyer",
  entitlementId: "Entitlement",
  productId: "Product",
};

const IDENTIFIER_MAX = 255;
const DEFAULT_DAYS = 30;

function checkOneOf(values) {
  return (text) => (values.includes(text) ? "" : `must be one of ${values.join(", ")}`);
}

function checkIdentifier(text) {
  const length = [...text].length;
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(text)) return "must not have control characters";
  return length >= 1 && length <= IDENTIFIER_MAX ? "" : `must have 1 to ${IDENTIFIER_MAX} characters`;
}

function checkDay(text) {
  return isDay(text) ? "" : "must be a day, YYYY-MM-DD, from 1000 to 9999";
}

function checkMetaInfo(text) {
  try {
    compact(text);
    return "";
  } catch (error) {
    return `is not accepted: ${error.message}`;
  }
}

// Each field: what it is called on the page, and a check that gives "" or what is wrong.
export const FIELDS = {
  org: { label: "Organization", check: checkIdentifier },
  startDate: { label: "From", check: checkDay },
  endDate: { label: "To", check: checkDay },
  partner: { label: "Partner", check: checkOneOf(PARTNERS) },
  buyerId: { label: "Buyer", check: checkIdentifier },
  entitlementId: { label: "Entitlement", check: checkIdentifier },
  productId: { label: "Product", check: checkIdentifier },
  status: { label: "Status", check: checkOneOf(STATUSES) },
  source: { label: "Source", check: checkOneOf(SOURCES) },
  metaInfo: { label: "metaInfo", check: checkMetaInfo },
};

// The days that are meant where none are said: the service's own default, made explicit, so that
// all calls of a view, and whoever is sent its address, have the same.
export function withDays(filter) {
  const endDate = filter.endDate ?? today();
  const startDate = filter.startDate ?? (isDay(endDate) ? addDays(endDate, -DEFAULT_DAYS) : undefined);
  return { ...filter, startDate, endDate };
}

// What is wrong with a filter: [field, words], the first fault; null when it is good.
export function fault(filter) {
  for (const [name, field] of Object.entries(FIELDS)) {
    const words = filter[name] === undefined ? "" : field.check(filter[name]);
    if (words !== "") return [name, words];
  }
  if (filter.org === undefined) return ["org", "is needed"];
  if (filter.startDate > filter.endDate) return ["startDate", "must not be after the last day"];
  const subjects = Object.keys(SUBJECTS).filter((name) => filter[name] !== undefined);
  if (subjects.length > 1) return [subjects[1], `cannot be given together with ${FIELDS[subjects[0]].label}`];
  return null;
}

// From and to the query of the page's address.
export function fromAddress(search) {
  const query = new URLSearchParams(search);
  return Object.fromEntries(
    Object.keys(FIELDS)
      .filter((name) => query.has(name) && (query.get(name) !== "" || name === "source"))
      .map((name) => [name, query.get(name)]),
  );
}

export function toAddress(filter, more = {}) {
  const query = new URLSearchParams();
  for (const name of Object.keys(FIELDS)) {
    if (filter[name] !== undefined) query.set(name, filter[name]);
  }
  for (const [name, value] of Object.entries(more)) query.set(name, value);
  return query.size === 0 ? "" : `?${query}`;
}

// The target of a call, relative to the page, so that it survives a prefix in front of the site.
export function target(filter, call, more = {}) {
  const query = new URLSearchParams();
  for (const name of Object.keys(FIELDS)) {
    if (name === "org" || filter[name] === undefined) continue;
    query.set(name, name === "metaInfo" ? compact(filter[name]) : filter[name]);
  }
  for (const [name, value] of Object.entries(more)) query.set(name, value);
  return `org/${encodeURIComponent(filter.org)}/${call}?${query}`;
}

export function recordTarget(org, id) {
  return `org/${encodeURIComponent(org)}/usageRecordGroup/${encodeURIComponent(id)}`;
}
