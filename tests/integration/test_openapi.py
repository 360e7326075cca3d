"""Live answers against the schema written from the published page, by an OpenAPI
validator that is not ours."""

import json
import pathlib
import subprocess
import urllib.parse

import pytest

from service import ROOT

VALIDATE = pathlib.Path(__file__).parent / "openapi-validate"


def validate(answers, path="/org/{orgId}/usageRecordGroup"):
    lines = []
    for answer in answers:
        headers = {name: values[0] for name, values in answer.headers.items()}
        lines.append(json.dumps({"status": answer.status, "headers": headers, "body": json.loads(answer.body)}))
    process = subprocess.run([VALIDATE, ROOT / "doc/openapi.yaml", path], input="\n".join(lines), text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_live_answers_are_in_keeping_with_the_page(service, sample):
    answers = []
    for organization in sample["organizations"] + ["nobody"]:
        for query in ("", "limit=50", "status=REPORT_FAILED", "source=", "source=METRONOME&partner=GCP",
                      "offset=100&limit=10", "metaInfo=" + urllib.parse.quote('{"SkipValidation":true}')):
            answer = service.ask(f"/org/{organization}/usageRecordGroup?{query}&{sample['window']}&limit=100"
                                 if "limit" not in query else
                                 f"/org/{organization}/usageRecordGroup?{query}&{sample['window']}")
            answers.append(answer)
            if answer.next_path():
                answers.append(service.ask(answer.next_path()))
    for query in ("limit=0", "partner=x", "foo=1", "metaInfo=%22", "startDate=x", "%00=1"):
        answers.append(service.ask(f"/org/o/usageRecordGroup?{query}"))
    assert {answer.status for answer in answers} == {200, 400}
    assert sum(b"billableRecords" in answer.body for answer in answers) > 20
    assert validate(answers) == ""


def test_a_server_fault_is_in_keeping_too(own_service):
    own_service.sql("DROP TABLE usage_record_group")
    own_service.serve()
    answer = own_service.ask("/org/o/usageRecordGroup")
    assert answer.status == 500
    assert validate([answer]) == ""


def objects(node, name):
    """The schemas of objects in a document, and where they stand."""
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield name, node
        for key, value in node.items():
            yield from objects(value, f"{name}/{key}")


def test_generated_clients_keep_members_that_they_do_not_know():
    """Generators take an object for closed unless it says that it is not; and one that has members besides, where they stand."""
    document = json.loads(subprocess.run([ROOT / "web/openapi-json", ROOT / "doc/openapi.yaml"], check=True, stdout=subprocess.PIPE).stdout)
    schemas = dict(objects(document["components"]["schemas"], ""))
    for name, schema in schemas.items():
        assert schema.get("additionalProperties") or schema["allOf"] == [{"type": "object", "additionalProperties": True}], name
    assert "allOf" in schemas["/MetaInfo"], "its members are its writer's"
    amount = {"$ref": "#/components/schemas/Amount"}
    assert amount == schemas["/Amounts"]["additionalProperties"] == schemas["/UsageRecordGroup/properties/records"]["additionalProperties"]


@pytest.mark.parametrize("damage", [
    lambda page: page.update(nextOffset=None), lambda page: page.update(nextOffset=1.5),
    lambda page: page.update(usageRecordGroups=None), lambda page: page.pop("nextOffset"),
    lambda page: page["usageRecordGroups"][0].update(partner="ALIBABA"),
    lambda page: page["usageRecordGroups"][0].update(buyerID=None),
    lambda page: page["usageRecordGroups"][0].update(creationTime="2024-08-12 01:02:15"),
    lambda page: page["usageRecordGroups"][0].update(serialID="1"),
    lambda page: page["usageRecordGroups"][0].update(metaInfo=None),
    lambda page: page["usageRecordGroups"][0].update(records=[]),
    lambda page: page["usageRecordGroups"][0].pop("status"),
    lambda page: page["usageRecordGroups"][0]["metaInfo"].update(source="OTHER"),
])
def test_the_validator_notices_damage(service, sample, damage):
    answer = service.ask(f"/org/{sample['organizations'][0]}/usageRecordGroup?limit=1&source=API&{sample['window']}")
    page = json.loads(answer.body)
    damage(page)
    answer.body = json.dumps(page).encode()
    assert validate([answer]) != ""
