#!/usr/bin/env python3
"""Adds up a file of past sales, by another hand than the product's.

    month.py FILE SHOP=STORE:CUTOVER_HOUR ...

It knows the rules only as they are documented (`provision import --help`, docs/errors.md, README.md), and prints one JSON
object: how many rows were read, repeated and set aside, and for the chain and for each store the sums [tickets, lines,
units, cents] by day, month, hour, item, category and store, and by hour of each day. Integers only, standard library only.
"""

import collections
import csv
import datetime
import json
import re
import sys

SOURCE = "past"
LINES_PER_TICKET_MAX = 200


class SetAside(Exception):
    """A row that cannot be counted; its text is the code."""


def second_sunday_of_march(year):
    first = datetime.date(year, 3, 1)
    return first + datetime.timedelta(days=(6 - first.weekday()) % 7 + 7)


def first_sunday_of_november(year):
    first = datetime.date(year, 11, 1)
    return first + datetime.timedelta(days=(6 - first.weekday()) % 7)


def is_skipped(moment):
    """New York: from 02:00 to 02:59:59 of that Sunday no clock shows the time."""
    return moment.date() == second_sunday_of_march(moment.year) and moment.hour == 2


def is_repeated(moment):
    return moment.date() == first_sunday_of_november(moment.year) and moment.hour == 1


def read_moment(date, time):
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        raise SetAside("date_malformed")
    try:
        day = datetime.date.fromisoformat(date)
    except ValueError as error:
        raise SetAside("date_malformed") from error
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d", time):
        raise SetAside("time_malformed")
    moment = datetime.datetime.combine(day, datetime.time.fromisoformat(time))
    if is_skipped(moment):
        raise SetAside("local_time_skipped")
    return moment


def read_quantity(text):
    if not re.fullmatch(r"-?\d+", text):
        raise SetAside("quantity_malformed")
    if not 1 <= int(text) <= 100_000:
        raise SetAside("quantity_out_of_range")
    return int(text)


def read_cents(text):
    match = re.fullmatch(r"(-?)(\d*)(?:\.(\d*))?", text)
    if not match or not (match[2] or match[3]):
        raise SetAside("price_malformed")
    fraction = match[3] or ""
    if fraction[2:].strip("0"):
        raise SetAside("price_too_fine")
    cents = int(match[2] or 0) * 100 + int((fraction + "00")[:2])
    if match[1] and cents:
        raise SetAside("price_out_of_range")
    return cents


def read_row(fields, columns, shops):
    if len(fields) != len(columns):
        raise SetAside("column_count")
    row = dict(zip(columns, fields))
    if row["store_id"] not in shops:
        raise SetAside("store_not_mapped")
    return (
        row["store_id"],
        read_moment(row["transaction_date"], row["transaction_time"]),
        read_quantity(row["transaction_qty"]),
        read_cents(row["unit_price"]),
        row["product_id"],
        row["product_category"],
        row["product_detail"],
    )


def read_file(path, shops):
    """The rows that count, by id; how many were read and repeated; what was set aside."""
    by_id, aside, read = collections.defaultdict(list), collections.Counter(), 0
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        columns = next(rows)
        for fields in rows:
            read += 1
            try:
                row = read_row(fields, columns, shops)
            except SetAside as why:
                aside[str(why)] += 1
            else:
                by_id[fields[columns.index("transaction_id")]].append(row)
    repeated = 0
    for row_id, rows_of_id in list(by_id.items()):
        if len(set(rows_of_id)) > 1:
            aside["conflicting_rows"] += len(rows_of_id)
            del by_id[row_id]
        else:
            repeated += len(rows_of_id) - 1
    return [rows_of_id[0] for rows_of_id in by_id.values()], read, repeated, aside


def baskets_of(rows, aside):
    """Lines of one shop at one second are one ticket."""
    baskets = collections.defaultdict(list)
    for shop, moment, *line in rows:
        baskets[shop, moment].append(line)
    for basket, lines in list(baskets.items()):
        if len(lines) > LINES_PER_TICKET_MAX:
            aside["basket_too_large"] += len(lines)
            del baskets[basket]
    return baskets


def add_up(baskets, shops):
    reports = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(lambda: [0] * 4)))
    for (shop, moment), lines in baskets.items():
        store, cutover = shops[shop]
        # Before the cut-over hour it is still the day before.
        day = moment.date() - datetime.timedelta(days=1 if moment.hour < cutover else 0)
        keys = {
            ("day", str(day)),
            ("month", str(day)[:7]),
            ("hour", str(moment.hour)),
            ("hour of " + str(day), str(moment.hour)),
            ("store", store),
        }
        for scope in ("chain", store):
            seen = set()
            for quantity, cents, product, category, _name in lines:
                of_line = {("item", f"l:{SOURCE}:{product}"), ("category", f"l:{SOURCE}:{category}")}
                for by, key in keys | of_line:
                    sums = reports[scope][by][key]
                    # A ticket counts once in each row that one of its lines is in.
                    sums[0] += (by, key) not in seen
                    sums[1] += 1
                    sums[2] += quantity
                    sums[3] += quantity * cents
                    seen.add((by, key))
    return reports


def main(path, *mapped):
    shops = {}
    for text in mapped:
        shop, store, cutover = re.fullmatch(r"(.+)=(\d+):(\d+)", text).groups()
        shops[shop] = (store, int(cutover))
    rows, read, repeated, aside = read_file(path, shops)
    baskets = baskets_of(rows, aside)
    totals = [len(baskets), 0, 0, 0]
    for lines in baskets.values():
        totals[1] += len(lines)
        totals[2] += sum(line[0] for line in lines)
        totals[3] += sum(line[0] * line[1] for line in lines)
    answer = {
        "rows_read": read,
        "rows_repeated": repeated,
        "rows_set_aside": aside,
        "repeated_local_times": sum(is_repeated(moment) for _shop, moment in baskets),
        "totals": totals,
        "reports": add_up(baskets, shops),
    }
    json.dump(answer, sys.stdout, sort_keys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
