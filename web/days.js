// days - days and months of UTC as text, YYYY-MM-DD and YYYY-MM.
//
// Owns the calendar, and nothing of what is counted by it.

const DAY_MS = 86400000;

export function isDay(text) {
  if (!/^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}$/.test(text)) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

export function today() {
  return new Date().toISOString().slice(0, 10);
}

export function addDays(day, count) {
  return new Date(Date.parse(`${day}T00:00:00Z`) + count * DAY_MS).toISOString().slice(0, 10);
}

// How many days from one to the other, both included.
export function countDays(first, last) {
  return Math.round((Date.parse(`${last}T00:00:00Z`) - Date.parse(`${first}T00:00:00Z`)) / DAY_MS) + 1;
}

export function eachDay(first, last) {
  return Array.from({ length: countDays(first, last) }, (_, index) => addDays(first, index));
}

export function eachMonth(first, last) {
  const months = [];
  let [year, month] = first.split("-").map(Number);
  for (let text = first.slice(0, 7); text <= last.slice(0, 7); ) {
    months.push(text);
    [year, month] = month === 12 ? [year + 1, 1] : [year, month + 1];
    text = `${year}-${String(month).padStart(2, "0")}`;
  }
  return months;
}

const NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

// "25 Nov 2026", "Nov 2026": the same words in every browser's language.
export function inWords(text) {
  const [year, month, day] = text.split("-");
  return `${day === undefined ? "" : `${Number(day)} `}${NAMES[Number(month) - 1]} ${year}`;
}

// For an axis: "25 Nov", "Nov 2026".
export function inShort(text) {
  return text.length === 7 ? inWords(text) : inWords(text).slice(0, -5);
}
