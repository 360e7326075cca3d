"""The loader, run against the database of a service."""

import json
import os
import subprocess

from service import build_dir

LOADER = build_dir() / "usage-record-api-load"


def environment(service, **settings):
    names = {"DB_SOCKET": service.dir / "mysql.sock", "DB_USER": "root", **settings}
    return {**os.environ, **{f"USAGE_RECORD_API_{name}": str(value) for name, value in names.items()}}


def load(service, *words, data=b"", timeout=120, **settings):
    """Runs the loader to its end; the finished process, its output as text."""
    result = subprocess.run([str(LOADER), *map(str, words)], input=data, capture_output=True, timeout=timeout,
                            env=environment(service, **settings))
    result.stdout, result.stderr = result.stdout.decode(), result.stderr.decode(errors="replace")
    return result


def counts(result):
    """(new, changed, the same, refused) of the last line."""
    words = result.stdout.removeprefix("would be ").split(", ")
    return tuple(int(words[i].split()[0]) for i in range(4))


def record(organization, number, **members):
    return {"id": f"id-{number}", "organizationID": organization, "partner": "AWS", "status": "REPORTED",
            "creationTime": "2024-08-12T01:02:15.910Z", "lastUpdateTime": "2024-08-12T01:02:16.000Z",
            "records": {"seats": number}, "metaInfo": {"source": "API"}, **members}


def lines(records):
    return "".join(json.dumps(each, separators=(",", ":"), ensure_ascii=False) + "\n" for each in records).encode()
