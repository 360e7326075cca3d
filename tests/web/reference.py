"""What the page must say, worked out from the table's rows in Python."""

import collections
import decimal
import json
import urllib.parse

from service import Digits

decimal.getcontext().prec = 400

COLUMNS = {"partner": "partner", "buyerId": "buyer_id", "entitlementId": "entitlement_id", "productId": "product_id",
           "status": "status", "source": "source"}


def parse(text):
    return json.loads(text, parse_int=Digits, parse_float=Digits)


def split(target):
    """The organization and the parameters of a call's target."""
    address = urllib.parse.urlsplit(target)
    organization = urllib.parse.unquote(address.path.split("/")[2])
    return organization, dict(urllib.parse.parse_qsl(address.query, keep_blank_values=True))


def contains(whole, part):
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and contains(whole[name], part[name]) for name in part)
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(contains(element, one) for element in whole) for one in part)
    return type(whole) is type(part) and whole == part


def rows(service, organization, filters):
    """The records of a filter, newest first, as dicts."""
    names = ["id", "partner", "buyer_id", "entitlement_id", "product_id", "status", "source", "creation_time",
             "last_update_time", "serial_id", "meta_info", "records"]
    where, values = ["organization_id = %s"], [organization]
    for name, column in COLUMNS.items():
        if name in filters:
            where.append(f"COALESCE({column}, '') = %s")
            values.append(filters[name])
    where.append("creation_time >= %s AND creation_time < %s + INTERVAL 1 DAY")
    values += [filters["startDate"], filters["endDate"]]
    found = service.sql(f"SELECT {', '.join(names)} FROM usage_record_group WHERE {' AND '.join(where)} "
                        "ORDER BY creation_time DESC, serial_id DESC", values)
    records = [dict(zip(names, row)) for row in found]
    if "metaInfo" in filters:
        part = parse(filters["metaInfo"])
        records = [record for record in records if contains(parse(record["meta_info"] or "{}"), part)]
    return records


def amounts_of(record):
    return parse(record["records"] or "{}")


def sums(records):
    """(exact sums by dimension, how many values are no numbers)"""
    found, unsummed = collections.defaultdict(decimal.Decimal), 0
    for record in records:
        for name, value in amounts_of(record).items():
            if isinstance(value, Digits):
                found[name] += decimal.Decimal(value)
            else:
                unsummed += 1
    return found, unsummed
