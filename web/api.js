// api - calls of the service.
//
// Owns how a call is sent, what its answer is, and what kind of fault it had.  Answers are read by
// exact: no amount is ever a JavaScript number.  Knows neither filters nor the document.

import { parse } from "./exact.js";
import { readKey } from "./key.js";

// kind: network (no answer), broken (half an answer), status (an answer that is no 200), form (an
// answer in a form that was not asked for).
export class CallFault extends Error {
  constructor(kind, { status = 0, words = "", requestId = "" } = {}) {
    super(`${kind} ${status} ${words}`);
    this.kind = kind;
    this.status = status;
    this.words = words;
    this.requestId = requestId;
  }
}

// Whether somebody has gone on to something else meanwhile.
export function isAbort(error) {
  return error?.name === "AbortError";
}

function faultOf(error) {
  return isAbort(error) ? error : new CallFault("network", { words: error.message });
}

async function failed(response) {
  const requestId = response.headers.get("X-Request-Id") ?? "";
  let words = "";
  try {
    const value = parse(await response.text());
    if (typeof value === "string") words = value;
  } catch {
    // A proxy's own page: the status has to say it all.
  }
  return new CallFault("status", { status: response.status, words, requestId });
}

// An answer with status 200, its body not yet read.
export async function open(address, { accept = "application/json", signal } = {}) {
  const headers = { Accept: accept };
  const key = readKey();
  if (key !== "") headers.Authorization = `Key ${key}`;
  let response;
  try {
    response = await fetch(address, { headers, signal, credentials: "same-origin", redirect: "error", cache: "no-store" });
  } catch (error) {
    throw faultOf(error);
  }
  if (response.status !== 200) throw await failed(response);
  const type = (response.headers.get("Content-Type") ?? "").split(";")[0].trim();
  if (type !== accept) throw new CallFault("form", { status: 200, words: type });
  return response;
}

// { value, next }: what was answered, and the address of the next page or null.
export async function ask(address, signal) {
  const response = await open(address, { signal });
  let value;
  try {
    value = parse(await response.text());
  } catch (error) {
    throw isAbort(error) ? error : new CallFault("broken", { requestId: response.headers.get("X-Request-Id") ?? "" });
  }
  return { value, next: nextOf(response) };
}

// Of the Link header only the query counts: the next page is one of the same list, on this origin.
function nextOf(response) {
  const link = /<([^>]*)>\s*;\s*rel="?next"?/.exec(response.headers.get("Link") ?? "");
  if (link === null) return null;
  const next = new URL(response.url);
  next.search = new URL(link[1], response.url).search;
  return next.href;
}
