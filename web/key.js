// key - the API key, kept for this tab alone: never in the address, never on disk.

const NAME = "usage-record-api-key";

export function readKey() {
  return sessionStorage.getItem(NAME) ?? "";
}

export function keepKey(key) {
  if (key === "") sessionStorage.removeItem(NAME);
  else sessionStorage.setItem(NAME, key);
}
