"""metaInfo: which records contain a filter, however their metaInfo is spelled."""

import json
import random
import urllib.parse

import pytest

TEXTS = ["", "x", "X", "x/y", 'say "hi"', "back\\slash", "é", "e\u0301", "株式会社", "🚀", "Rocket 🚀 Labs",
         "tab\tnew\nline", "50%", "a_b", "a|b", "\u0001", "\u2028", "\x7f", "ß", "ss", "x ", " x", "1", "true",
         "null", "'; DROP TABLE t; --", "\ud7ff", "\uffff", "\U0010ffff"]


def ids(service, organization, meta_info, more=""):
    text = meta_info if isinstance(meta_info, str) else json.dumps(meta_info, ensure_ascii=False)
    query = urllib.parse.urlencode({"metaInfo": text, "endDate": "2024-08-12"})
    answer = service.ask(f"/org/{organization}/usageRecordGroup?{query}{more}")
    assert answer.status == 200, answer.body
    return [record["id"] for record in answer.json()["usageRecordGroups"]]


def contains(document, wanted):
    """MySQL's JSON_CONTAINS, written down once more."""
    if isinstance(document, dict):
        return isinstance(wanted, dict) and all(
            name in document and contains(document[name], value) for name, value in wanted.items())
    if isinstance(document, list):
        return all(any(contains(element, value) for element in document)
                   for value in (wanted if isinstance(wanted, list) else [wanted]))
    if isinstance(wanted, (dict, list)) or isinstance(document, bool) != isinstance(wanted, bool):
        return False
    return type(document) == type(wanted) and document == wanted or (
        isinstance(document, (int, float)) and isinstance(wanted, (int, float)) and document == wanted)


def spell_text(text, how):
    """A JSON string in one of its legal spellings."""
    def escape(character):
        units = character.encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    if how == "plain":
        return f'"{plain}"'
    if how == "php":
        return json.dumps(text).replace("/", "\\/")
    if how == "ascii":
        return json.dumps(text)
    if how == "upper":
        return '"' + "".join(escape(c).upper().replace("\\U", "\\u") for c in text) + '"'
    return '"' + "".join(escape(c) for c in text) + '"'


@pytest.mark.parametrize("text", TEXTS)
def test_a_string_is_found_in_every_spelling(service, organization, text):
    for how in ("plain", "php", "ascii", "upper", "all"):
        spelled = spell_text(text, how)
        service.insert(organization, id=f"{how} value", meta_info=f'{{"k":{spelled}}}')
        service.insert(organization, id=f"{how} nested", meta_info=f'{{"n":{{"k":[1,{spelled}]}}}}')
        service.insert(organization, id=f"{how} name", meta_info=f'{{"m":{{{spelled}:7}}}}')
    service.insert(organization, id="other", meta_info=json.dumps({"k": text + "z", "n": {"k": [text + "z"]}, "m": {}}))
    if any(ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0 for c in text):  # only the escaped form passes
        ask = lambda filter: ids(service, organization, json.dumps(filter).replace("\x7f", "\\u007f"))
    else:
        ask = lambda filter: ids(service, organization, filter)
    every = {"plain", "php", "ascii", "upper", "all"}
    assert set(ask({"k": text})) == {f"{how} value" for how in every}
    assert set(ask({"n": {"k": [text]}})) == {f"{how} nested" for how in every}
    assert set(ask({"m": {text: 7}})) == {f"{how} name" for how in every}


@pytest.mark.parametrize("filter_text", ['{"k":"\\u00e9"}', '{"k":"é"}', '{ "k" : "\\u00E9" }'])
def test_the_filter_may_be_spelled_as_well(service, organization, filter_text):
    service.insert(organization, id="plain", meta_info='{"k":"é"}')
    service.insert(organization, id="escaped", meta_info='{"k":"\\u00e9"}')
    assert set(ids(service, organization, filter_text)) == {"plain", "escaped"}


@pytest.mark.parametrize("filter_text, found", [
    ('{}', "all"),
    ('{"i":1}', ["int"]), ('{"i":1.0}', ["int"]), ('{"i":10e-1}', ["int"]), ('{"i":"1"}', []), ('{"i":true}', []),
    ('{"f":0.1}', ["float"]), ('{"f":0.10}', ["float"]), ('{"f":0.1000000000001}', ["near"]),
    ('{"big":9007199254740993}', ["big"]), ('{"big":9007199254740992}', []),
    ('{"long":7.2243072691274902387}', ["long"]),
    ('{"b":true}', ["true"]), ('{"b":false}', ["false"]), ('{"b":null}', ["null"]), ('{"c":null}', []),
    ('{"o":{}}', ["object"]), ('{"o":{"p":{"q":1}}}', ["object"]), ('{"o":{"p":{"q":2}}}', []),
    ('{"a":[]}', ["array"]), ('{"a":[3,1]}', ["array"]), ('{"a":[4]}', []), ('{"a":2}', ["array"]),
    ('{"a":[{"x":1}]}', ["array"]), ('{"a":[{"x":1,"y":3}]}', []), ('{"a":["s"]}', ["array"]),
    ('{"a":[["deep"]]}', ["array"]), ('{"a":[["s"]]}', []),
    ('{"i":1,"f":0.1}', []),
])
def test_containment(service, filter_text, found):
    records = {"int": '{"i":1}', "float": '{"f":0.1}', "near": '{"f":0.1000000000001}',
               "big": '{"big":9007199254740993}', "long": '{"long":7.2243072691274902387}',
               "true": '{"b":true}', "false": '{"b":false}', "null": '{"b":null}',
               "object": '{"o":{"p":{"q":1,"r":2}}}', "none": None, "empty": "{}",
               "array": '{"a":[1,2,3,"s",{"x":1,"y":2},["deep",5]]}'}
    if not service.sql("SELECT 1 FROM usage_record_group WHERE organization_id = 'containment' LIMIT 1"):
        for name, meta_info in records.items():
            service.insert("containment", id=name, meta_info=meta_info)
    expected = list(records) if found == "all" else found
    assert set(ids(service, "containment", filter_text)) == set(expected)


def random_value(random_source, depth):
    kind = random_source.choice(["text", "text", "number", "literal", "object", "array"])
    if kind == "object" and depth > 0:
        return {random_source.choice("abcé/"): random_value(random_source, depth - 1)
                for _ in range(random_source.randrange(3))}
    if kind == "array" and depth > 0:
        return [random_value(random_source, depth - 1) for _ in range(random_source.randrange(4))]
    if kind == "number":
        return random_source.choice([0, 1, 2, 1.5, -1, 100, 1e2, 0.1])
    if kind == "literal":
        return random_source.choice([True, False, None])
    return random_source.choice(["x", "y", "é", "x/y", "🚀", "1"])


def spell(random_source, value):
    """The value as JSON text, strings spelled this way and that."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{spell(random_source, name)} :{spell(random_source, member)}"
                              for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + " , ".join(spell(random_source, element) for element in value) + "]"
    if isinstance(value, str):
        return spell_text(value, random_source.choice(["plain", "php", "ascii", "upper", "all"]))
    return json.dumps(value)


def narrow(random_source, value):
    """A filter that value contains, most of the time."""
    if isinstance(value, dict):
        return {name: narrow(random_source, member) for name, member in value.items() if random_source.random() < 0.6}
    if isinstance(value, list):
        return [narrow(random_source, element) for element in value if random_source.random() < 0.5]
    return value if random_source.random() < 0.95 else random_value(random_source, 1)


def test_random_documents_against_random_filters(service, organization):
    random_source = random.Random(20240812)
    documents = {}
    for number in range(400):
        document = {name: random_value(random_source, 3) for name in "abc" if random_source.random() < 0.8}
        documents[service.insert(organization, id=str(number), serial_id=5_000_000 + number,
                                 meta_info=spell(random_source, document))] = document
    found = 0
    for _ in range(300):
        wanted = narrow(random_source, random_source.choice(list(documents.values())))
        expected = [name for name, document in reversed(documents.items()) if contains(document, wanted)]
        assert ids(service, organization, spell(random_source, wanted)) == expected, wanted
        found += bool(wanted) and len(expected)
    assert found > 1000


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_pages_of_what_a_filter_leaves(service, limit):
    """The sieve of the database lets more through than the filter: 0.1000000000001 passes
    for 0.1, and the right string in the wrong place; pages, offsets and cursors must not
    notice."""
    if not service.sql("SELECT 1 FROM usage_record_group WHERE organization_id = 'sieve' LIMIT 1"):
        for number in range(300):
            meta_info = ('{"k":"x","n":0.1}', '{"k":"x","n":0.1000000000001}', '{"o":"x","k":"y","n":0.1}')[number % 3]
            service.insert("sieve", id=str(number), serial_id=6_000_000 + number, meta_info=meta_info)
    expected = [str(number) for number in reversed(range(0, 300, 3))]
    wanted = {"k": "x", "n": 0.1}
    assert ids(service, "sieve", wanted) == expected

    by_offset, offset = [], 0
    while True:
        page = ids(service, "sieve", wanted, f"&limit={limit}&offset={offset}")
        by_offset += page
        offset += limit
        if len(page) < limit:
            break
    assert by_offset == expected

    query = urllib.parse.urlencode({"metaInfo": json.dumps(wanted), "endDate": "2024-08-12"})
    target, by_cursor = f"/org/sieve/usageRecordGroup?{query}&limit={limit}", []
    while target:
        answer = service.ask(target)
        by_cursor += [record["id"] for record in answer.json()["usageRecordGroups"]]
        target = answer.next_path()
    assert by_cursor == expected


def test_the_longest_and_deepest_filters(service, organization):
    value = "x" * (4096 - len('{"k":""}'))
    service.insert(organization, id="long", meta_info=json.dumps({"k": value}))
    deep = '{"k":' * 16 + "1" + "}" * 16
    service.insert(organization, id="deep", meta_info=deep)
    assert ids(service, organization, '{"k":"%s"}' % value) == ["long"]
    assert ids(service, organization, deep) == ["deep"]
    for text in ('{"k":"%sx"}' % value, '{"k":' + deep + "}"):
        query = urllib.parse.urlencode({"metaInfo": text})
        assert service.ask(f"/org/{organization}/usageRecordGroup?{query}").status == 400


def test_with_other_filters(service, organization):
    for number, (partner, status) in enumerate([("AWS", "INVALID"), ("GCP", "INVALID"), ("AWS", "REPORTED")]):
        for value in ("x", "y"):
            service.insert(organization, id=f"{partner} {status} {value}", partner=partner, status=status,
                           meta_info=json.dumps({"k": value, "source": "API"}))
    assert ids(service, organization, {"k": "x"}, "&partner=AWS&status=INVALID&source=API") == ["AWS INVALID x"]
    assert ids(service, organization, {"k": "x"}, "&partner=AWS&status=INVALID&source=ORB") == []
