// messages - what happened, in plain words.
//
// Owns the words for faults of calls and for empty answers, and where they are shown.

import { inWords } from "./days.js";
import { SUBJECTS } from "./filter.js";
import { element, foreign } from "./show.js";

const STATUS_WORDS = {
  400: () => ["The service does not accept this question", ""],
  401: () => ["The API key is missing or not valid", "Enter the key that belongs to this organization."],
  403: (org) => ["This API key is not for this organization", `Enter a key of ${org}, or another organization.`],
  404: () => ["The service does not know this call", "It may be older than this page."],
  406: () => ["The service cannot give this form", "It may be older than this page."],
  429: () => ["That were too many requests", "Wait a moment, then try again."],
  500: () => ["The service failed", "That is no fault of yours. Try again; if it stays, quote the request id below to whoever runs it."],
  502: () => ["The service is away", "Nothing answered behind the web server. Try again in a minute."],
  503: () => ["The service is not available", "Try again in a minute."],
  504: () => ["The service took too long", "Try again, with fewer days or a narrower filter."],
};

const KIND_WORDS = {
  network: ["The service cannot be reached", "Is there a connection to the network? Then try again."],
  broken: ["The answer broke off", "Nothing of it is shown, because a part could look whole. Try again."],
  form: ["The service answered in another form", "It may be older than this page."],
};

// { title, text, words, requestId }: words are the service's own, foreign to the page.
export function wordsOf(fault, org) {
  const [title, text] =
    fault.kind === "status"
      ? (STATUS_WORDS[fault.status]?.(org) ?? [`The service answered with status ${fault.status}`, ""])
      : (KIND_WORDS[fault.kind] ?? ["This page failed", String(fault.message ?? fault)]);
  const isNews = fault.kind === "status" && ![401, 403, 500, 502, 503, 504].includes(fault.status);
  return { title, text, words: isNews ? fault.words : "", requestId: fault.requestId ?? "" };
}

// A message with what can be done about it: actions are [label, function].
export function message({ title, text, words = "", requestId = "" }, actions = []) {
  const made = element("div", { class: "message" }, element("p", { class: "title" }, title));
  if (words !== "") made.append(element("p", { class: "words" }, foreign(words)));
  if (text !== "") made.append(element("p", {}, text));
  if (requestId !== "") made.append(element("p", {}, "Request id: ", element("code", {}, foreign(requestId))));
  for (const [label, act] of actions) {
    const button = element("button", { type: "button" }, label);
    button.addEventListener("click", act);
    made.append(button);
  }
  return made;
}

export function daysInWords(filter) {
  return filter.startDate === filter.endDate
    ? `on ${inWords(filter.endDate)} (UTC)`
    : `from ${inWords(filter.startDate)} to ${inWords(filter.endDate)} (UTC)`;
}

export function nothingFound(filter) {
  const isNarrow = [...Object.keys(SUBJECTS), "status", "source", "metaInfo"].some((name) => filter[name] !== undefined);
  return {
    title: `Nothing was found ${daysInWords(filter)}`,
    text: isNarrow
      ? "On these days the organization has no record that all filters let through. Take more days or fewer filters."
      : "The organization has no records on these days, or there is none of this name: names are case-sensitive.",
  };
}
