// docs - the OpenAPI document for people.
//
// Owns the way from its operations and schemas to text.  What it does not know of OpenAPI it leaves
// out; the document itself can be had as a file.

import { ask } from "./api.js";
import { Members, write } from "./exact.js";
import { message, wordsOf } from "./messages.js";
import { element, foreign, scrollable, table } from "./show.js";

const METHODS = ["get", "head", "post", "put", "patch", "delete"];
const SCHEMAS = "#/components/schemas/";

const content = document.querySelector("#main");
let api = null;

function pairs(value) {
  return value instanceof Members ? value.pairs : [];
}

// What a $ref stands for, anywhere in the document.
function resolve(value) {
  const reference = value instanceof Members ? value.get("$ref") : undefined;
  if (reference === undefined) return value;
  return resolve(
    reference
      .slice(2)
      .split("/")
      .reduce((place, name) => place.get(name.replaceAll("~1", "/").replaceAll("~0", "~")), api),
  );
}

const anchor = (kind, name) => `${kind}-${name.replace(/[^A-Za-z0-9]+/g, "-")}`;

// Text with `code` in it, as descriptions have it.
function prose(text) {
  return String(text ?? "")
    .split("`")
    .map((piece, index) => (index % 2 === 0 ? piece : element("code", {}, piece)));
}

function plain(value) {
  return typeof value === "string" ? value : write(value);
}

// What a schema accepts, in words: "integer, 1 to 1000, default 1000".
function accepted(given) {
  const name = given?.get("$ref");
  const schema = resolve(given);
  if (schema === undefined) return [];
  const parts = [];
  const bounds = (least, most, unit) => {
    const [low, high] = [schema.get(least), schema.get(most)];
    if (low !== undefined && high !== undefined) parts.push(`${low} to ${high}${unit}`);
    else if (low !== undefined) parts.push(`at least ${low}${unit}`);
    else if (high !== undefined) parts.push(`at most ${high}${unit}`);
  };
  if (schema.get("enum") === undefined) parts.push([schema.get("type"), schema.get("format")].filter(Boolean).join(", "));
  bounds("minimum", "maximum", "");
  if (schema.get("minLength")?.text === "1" && schema.get("maxLength") === undefined) parts.push("not empty");
  else bounds("minLength", "maxLength", " characters");
  bounds("minItems", "maxItems", " elements");
  if (schema.get("pattern") !== undefined) parts.push(element("code", {}, schema.get("pattern")));
  if (schema.get("default") !== undefined) parts.push(`default ${plain(schema.get("default"))}`);
  const words = parts.filter((part) => part !== "").flatMap((part, index) => (index === 0 ? [part] : [", ", part]));
  const values = (schema.get("enum") ?? []).flatMap((value) => [element("code", {}, value === "" ? "(empty)" : plain(value)), " "]);
  const isLinked = name?.startsWith(SCHEMAS) && schema.get("properties") !== undefined;
  const link = isLinked ? [element("a", { href: `#${anchor("schema", name.slice(SCHEMAS.length))}` }, name.slice(SCHEMAS.length))] : [];
  const items = schema.get("items") === undefined ? [] : [" of ", ...accepted(schema.get("items"))];
  return isLinked ? link : [element("span", { class: "values" }, ...words, ...values, ...items)];
}

function descriptionOf(value) {
  return prose(value.get("description") ?? resolve(value)?.get("description"));
}

function parameters(call, list) {
  const rows = list.map(resolve).map((parameter) => [
    element("code", {}, parameter.get("name")),
    parameter.get("in"),
    parameter.get("required") === true ? "yes" : "",
    element("span", {}, ...accepted(parameter.get("schema"))),
    element("span", {}, ...descriptionOf(parameter)),
  ]);
  return scrollable(`Parameters of ${call}`, table("Parameters", ["Name", "In", "Needed", "Accepted", "Meaning"], rows));
}

function contentTypes(response) {
  return pairs(response.get("content")).flatMap(([type, media]) => [element("code", {}, type), " ", ...accepted(media.get("schema")), " "]);
}

function responses(call, value) {
  const rows = pairs(value).map(([status, given]) => {
    const response = resolve(given);
    return [
      element("code", {}, status),
      element("span", {}, ...descriptionOf(response)),
      element("span", {}, ...contentTypes(response)),
      element("span", {}, ...pairs(response.get("headers")).flatMap(([name]) => [element("code", {}, name), " "])),
    ];
  });
  return scrollable(`Answers of ${call}`, table("Answers", ["Status", "Meaning", "Form", "Headers"], rows));
}

function examples(call, operation) {
  const found = pairs(operation.get("responses")).flatMap(([status, given]) =>
    pairs(resolve(given).get("content")).flatMap(([type, media]) =>
      media.get("example") === undefined ? [] : [[`${status} ${type}`, media.get("example")]],
    ),
  );
  return found.flatMap(([title, example]) => [
    element("h3", {}, `Example: ${title}`),
    scrollable(`Example of ${call}: ${title}`, element("pre", {}, foreign(typeof example === "string" ? example : write(example, 2)))),
  ]);
}

function operationSection(path, method, shared, operation) {
  const call = `${method.toUpperCase()} ${path}`;
  return element(
    "section",
    { id: anchor(method, path) },
    element("h2", {}, element("span", { class: "method" }, method.toUpperCase()), " ", element("code", {}, path)),
    element("p", {}, ...descriptionOf(operation)),
    parameters(call, [...(shared ?? []), ...(operation.get("parameters") ?? [])]),
    responses(call, operation.get("responses")),
    ...examples(call, operation),
  );
}

function schemaSection(name, schema) {
  const needed = schema.get("required") ?? [];
  const rows = pairs(schema.get("properties")).map(([member, value]) => [
    element("code", {}, member),
    needed.includes(member) ? "always" : "",
    element("span", {}, ...accepted(value)),
    element("span", {}, ...descriptionOf(value)),
  ]);
  return element(
    "section",
    { id: anchor("schema", name) },
    element("h2", {}, name),
    element("p", {}, ...descriptionOf(schema)),
    scrollable(`Members of ${name}`, table(`Members of ${name}`, ["Member", "Present", "Type", "Meaning"], rows)),
  );
}

function keySection(schemes) {
  return element(
    "section",
    { id: "keys" },
    element("h2", {}, "Keys"),
    ...pairs(schemes).map(([, scheme]) => element("p", {}, `${scheme.get("name") ?? scheme.get("scheme") ?? ""}: `, ...descriptionOf(scheme))),
  );
}

function show() {
  const operations = pairs(api.get("paths")).flatMap(([path, item]) =>
    pairs(item)
      .filter(([method]) => METHODS.includes(method))
      .map(([method, operation]) => [path, method, item.get("parameters"), operation]),
  );
  const depth = ([path]) => path.split("/").length;
  operations.sort((one, other) => depth(one) - depth(other)); // what most ask for first
  const components = api.get("components");
  const schemas = pairs(components?.get("schemas")).filter(([, schema]) => schema.get("properties") !== undefined);
  const schemes = components?.get("securitySchemes");
  const info = api.get("info");
  content.replaceChildren(
    element("section", {}, element("h2", {}, info.get("title")), element("p", {}, ...descriptionOf(info))),
    ...operations.map((operation) => operationSection(...operation)),
    ...(schemes === undefined ? [] : [keySection(schemes)]),
    ...schemas.map(([name, schema]) => schemaSection(name, schema)),
  );
  const link = (id, ...text) => element("li", {}, element("a", { href: `#${id}` }, ...text));
  document.querySelector("#contents").replaceChildren(
    element("ul", {}, ...operations.map(([path, method, , operation]) => link(anchor(method, path), operation.get("summary") ?? path))),
    element("ul", {}, ...(schemes === undefined ? [] : [link("keys", "Keys")]), ...schemas.map(([name]) => link(anchor("schema", name), name))),
  );
  content.setAttribute("aria-busy", "false");
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

try {
  api = (await ask("openapi.json")).value;
  show();
} catch (error) {
  content.replaceChildren(element("div", { role: "alert" }, message(wordsOf(error, ""))));
}
