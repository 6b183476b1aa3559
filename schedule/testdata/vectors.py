#!/usr/bin/env python3
"""Writes vectors.txt: python3 vectors.py > vectors.txt

An oracle for cron expressions that shares nothing with the package: it goes date by date, makes every wall time of a matching
date, and asks Python's zoneinfo for the instants that have it. Columns: source of the expression, time zone, expression, time
asked from, due times (the next three, fewer where no more come by 2199), all in UTC.
"""
import datetime as dt
import random
import sys
from zoneinfo import ZoneInfo

UTC = dt.timezone.utc
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
NICK = {"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *"}


def value(s, names, base):
    return names.index(s.upper()) + base if s.upper() in names else int(s)


def values(field, lo, hi, names=(), base=0):
    out = set()
    for item in field.split(","):
        body, _, step = item.partition("/")
        if body == "*":
            a, b = lo, hi
        elif "-" in body:
            x, y = body.split("-")
            a, b = value(x, names, base), value(y, names, base)
            if y.upper() == "SUN" and a != 0:
                b = 7
        else:
            a = b = value(body, names, base)
        out.update(range(a, b + 1, int(step or 1)))
    return out


def month_end(d):
    return (d.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)


def dom_match(field, d):
    for item in field.split(","):
        end = month_end(d)
        if item in ("*", "?"):
            return True
        if item == "L":
            ok = d == end
        elif item == "LW":
            while end.weekday() > 4:
                end -= dt.timedelta(days=1)
            ok = d == end
        elif item.startswith("L-"):
            ok = d.day == end.day - int(item[2:])
        elif item.endswith("W"):
            n = int(item[:-1])
            work = [x for x in range(1, end.day + 1) if d.replace(day=x).weekday() < 5]
            ok = n <= end.day and d.day == min(work, key=lambda x: abs(x - n))
        else:
            ok = d.day in values(item, 1, 31)
        if ok:
            return True
    return False


def dow_match(field, d):
    wd = (d.weekday() + 1) % 7
    for item in field.split(","):
        if item in ("*", "?"):
            return True
        day, nth = item, None
        if "#" in item:
            day, nth = item.split("#")
        elif item.endswith("L"):
            day, nth = item[:-1], "L"
        if wd not in {v % 7 for v in values(day, 0, 7, DAYS, 0)}:
            continue
        if nth is None or (nth == "L" and d.day + 7 > month_end(d).day) or (nth != "L" and (d.day - 1) // 7 + 1 == int(nth)):
            return True
    return False


def due(expr, zone, start, count):
    f = NICK.get(expr, expr).split()
    if len(f) == 5:
        f = ["0"] + f
    if len(f) == 6:
        f.append("*")
    sec, mi, ho = values(f[0], 0, 59), values(f[1], 0, 59), values(f[2], 0, 23)
    mon, year = values(f[4], 1, 12, MONTHS, 1), values(f[6], 1970, 2199)
    wild = "*" in "".join(f[:3])
    dow = f[5].lstrip("+")
    both = f[5].startswith("+") or f[3] in "*?" or dow in "*?"
    tz = ZoneInfo(zone)
    found, day, last = set(), start.astimezone(tz).date() - dt.timedelta(days=2), None
    while day.year <= 2199:
        if last and day > last:
            break
        if day.month in mon and day.year in year:
            a, b = dom_match(f[3], day), dow_match(dow, day)
            if (a and b) if both else (a or b):
                for h in ho:
                    for m in mi:
                        for s in sec:
                            found.update(t for t in instants(dt.datetime(day.year, day.month, day.day, h, m, s), tz, wild) if t > start)
                if len(found) >= count and not last:
                    last = day + dt.timedelta(days=2)
        day += dt.timedelta(days=1)
    return sorted(found)[:count]


def instants(wall, tz, wild):
    first, second = wall.replace(tzinfo=tz), wall.replace(tzinfo=tz, fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    u, v = first.astimezone(UTC), second.astimezone(UTC)
    if before == after:
        return [u]
    if before > after:  # the wall time comes twice
        return [u, v] if wild else [u]
    if wild or after - before > dt.timedelta(hours=3):  # it does not come
        return []
    lo, hi = wall.replace(tzinfo=UTC) - after, wall.replace(tzinfo=UTC) - before
    while hi - lo > dt.timedelta(seconds=1):
        mid = lo + dt.timedelta(seconds=(hi - lo).total_seconds() // 2)
        if mid.astimezone(tz).utcoffset() == before:
            lo = mid
        else:
            hi = mid
    return [hi]


CASES = """
OCPS 1.0|UTC|15 10 1 10 *|2026-01-01 00:00:00
OCPS 1.0|UTC|*/15 0-4,8-12 * JAN-MAR,DEC MON-FRI|2026-03-31 12:50:00
OCPS 1.0|UTC|0 12 1 * MON|2026-01-01 00:00:00
OCPS 1.0|UTC|0 0 * * 7|2026-01-01 00:00:00
OCPS 1.0|UTC|0 0 * * 0|2026-01-01 00:00:00
OCPS 1.0|UTC|0 0 31 * *|2026-01-31 00:00:00
OCPS 1.0|UTC|0 0 1-31/7 * *|2026-02-20 00:00:00
OCPS 1.0|UTC|5-59/10 * * * *|2026-01-01 00:00:00
OCPS 1.0|UTC|*/40 * * * *|2026-01-01 00:00:00
OCPS 1.0|UTC|0 0 30 2 *|2026-01-01 00:00:00
OCPS 1.1|UTC|@yearly|2026-06-01 12:00:00
OCPS 1.1|UTC|@annually|2026-06-01 12:00:00
OCPS 1.1|UTC|@monthly|2026-06-01 00:00:00
OCPS 1.1|UTC|@weekly|2026-06-01 12:00:00
OCPS 1.1|UTC|@daily|2026-06-01 12:00:00
OCPS 1.1|UTC|@midnight|2026-06-01 12:00:00
OCPS 1.1|UTC|@hourly|2026-06-01 12:00:00
OCPS 1.2|UTC|* * * * * *|2026-06-01 12:00:58
OCPS 1.2|UTC|0 15 10 * * * 2025|2024-12-30 12:00:00
OCPS 1.2|UTC|0 15 10 * * * 2025|2025-12-31 10:15:00
OCPS 1.2|UTC|0 0 12 1 1 * 2025-2030|2028-06-01 00:00:00
OCPS 1.2|UTC|0 0 0 1 1 * */2|2026-01-01 00:00:00
OCPS 1.2|UTC|0 0 0 1 1 * 1971-2199/2|2026-01-01 00:00:00
OCPS 1.2|UTC|0 0 0 1 1 * 1971-2199/2|2196-01-01 00:00:00
OCPS 1.2|UTC|*/20 30 4 * * *|2026-06-01 04:30:15
OCPS 1.3|UTC|0 0 L * *|2028-01-31 00:00:00
OCPS 1.3|UTC|0 0 * * 5L|2026-01-01 00:00:00
OCPS 1.3|UTC|0 0 * * FRI#L|2026-01-01 00:00:00
OCPS 1.3|UTC|0 0 * * 2#3|2026-01-01 00:00:00
OCPS 1.3|UTC|0 0 * * MON#1|2026-01-01 00:00:00
OCPS 1.3|UTC|0 12 15W * *|2026-01-01 00:00:00
OCPS 1.3|UTC|0 12 15W * *|2026-07-16 00:00:00
OCPS 1.3|UTC|0 12 1W * *|2026-07-15 00:00:00
OCPS 1.3|UTC|0 12 31W * *|2026-01-01 00:00:00
OCPS 1.3|UTC|0 12 28W 2 *|2026-01-01 00:00:00
OCPS 1.3|UTC|0 12 30W 5 *|2026-01-01 00:00:00
OCPS 1.4|UTC|0 12 1 * +MON|2026-01-01 00:00:00
OCPS 1.4|UTC|0 12 15 * +5|2026-01-01 00:00:00
OCPS 1.4|UTC|0 12 1 * +MON-FRI|2026-01-01 00:00:00
OCPS 1.4|UTC|0 12 ? * MON|2026-01-01 00:00:00
OCPS 1.4|UTC|0 12 13 * ?|2026-01-01 00:00:00
OCPS 1.4|UTC|0 0 1-7 * +SAT|2026-01-01 00:00:00
OCPS 1.4|America/New_York|30 1 5 11 *|2023-11-01 00:00:00
cronie crontab(5)|UTC|5 0 * * *|2026-01-01 00:05:00
cronie crontab(5)|UTC|15 14 1 * *|2026-01-01 14:15:00
cronie crontab(5)|UTC|0 22 * * 1-5|2026-01-02 22:00:00
cronie crontab(5)|UTC|23 0-23/2 * * *|2026-01-02 22:23:00
cronie crontab(5)|UTC|5 4 * * sun|2026-01-02 22:00:00
cronie crontab(5)|UTC|30 4 1,15 * 5|2026-01-02 04:30:00
cronie crontab(5)|UTC|0 4 8-14 * *|2026-01-12 04:30:00
cronie crontab(5)|UTC|0 0 */2 * 1|2026-01-01 00:00:00
cronie crontab(5)|UTC|0 0 1-31 * 1|2026-01-01 00:00:00
cronie crontab(5)|UTC|0 0 *,5 * 1|2026-01-01 00:00:00
cronie crontab(5)|America/New_York|30 2 * * *|2026-03-07 12:00:00
cronie crontab(5)|America/New_York|*/30 2 * * *|2026-03-07 12:00:00
cronie crontab(5)|America/New_York|30 1 * * *|2026-11-01 04:00:00
cronie crontab(5)|America/New_York|*/30 1 * * *|2026-11-01 04:00:00
robfig spec_test|UTC|0-59/15 * * * *|2012-07-09 14:45:00
robfig spec_test|UTC|20-35/15 * * * *|2012-07-09 14:59:59
robfig spec_test|UTC|0 20-35/15 * * * *|2012-07-09 23:46:00
robfig spec_test|UTC|0 0 0 9 Apr-Oct ?|2012-07-09 23:35:00
robfig spec_test|UTC|0 0 0 */5 Apr,Aug,Oct Mon|2012-07-09 23:35:00
robfig spec_test|UTC|0 0 0 */5 Oct Mon|2012-07-09 23:35:00
robfig spec_test|UTC|0 0 0 * Feb Mon|2012-07-09 23:35:00
robfig spec_test|UTC|0 0 0 29 Feb ?|2012-07-09 23:35:00
robfig spec_test|America/New_York|0 30 2 11 Mar ?|2012-03-11 05:00:00
robfig spec_test|America/New_York|0 0 * * * ?|2012-03-11 05:00:00
robfig spec_test|America/New_York|0 0 1 * * ?|2012-03-11 05:00:00
robfig spec_test|America/New_York|0 0 2 * * ?|2012-03-11 05:00:00
robfig spec_test|America/New_York|0 30 2 04 Nov ?|2012-11-04 04:00:00
robfig spec_test|America/New_York|0 45 1 04 Nov ?|2012-11-04 04:00:00
robfig spec_test|America/New_York|0 0 * * * ?|2012-11-04 04:00:00
robfig spec_test|America/New_York|0 0 1 * * ?|2012-11-04 04:00:00
robfig spec_test|America/New_York|0 0 3 * * ?|2012-11-04 04:00:00
robfig spec_test|UTC|0 0 0 30 Feb ?|2012-07-09 23:35:00
robfig spec_test|UTC|0 0 0 31 Apr ?|2012-07-09 23:35:00
robfig spec_test|Asia/Kolkata|30 8 * * *|2012-07-09 23:35:00
robfig spec_test|America/Sao_Paulo|0 0 9 10 * ?|2018-10-17 05:00:00
robfig spec_test|America/Sao_Paulo|0 0 * * *|2018-11-03 12:00:00
croner tests|UTC|0 0 29 2 0|2026-01-01 00:00:00
croner tests|UTC|0 0 29 2 +0|2026-01-01 00:00:00
croner tests|UTC|0 0 0 29 2 * 2096-2199|2026-01-01 00:00:00
croner tests|UTC|0 0 LW * *|2026-01-01 00:00:00
croner tests|UTC|0 0 L-3 * *|2026-01-01 00:00:00
croner tests|UTC|0 0 L-30 * *|2026-01-01 00:00:00
croner tests|UTC|0 0 L,15 * *|2026-01-01 00:00:00
croner tests|UTC|0 0 * * FRI#5|2026-01-01 00:00:00
croner tests|UTC|0 0 * * SUN#1,SUN#3|2026-01-01 00:00:00
croner tests|UTC|0 0 * 2 MON#5|2026-01-01 00:00:00
croner tests|UTC|0 0 1 1 +TUE#L|2026-01-01 00:00:00
croner tests|Europe/Stockholm|0 0 * * *|2024-10-26 12:00:00
croner tests|Europe/Stockholm|*/15 2 * * *|2024-10-27 00:00:00
croner tests|America/Santiago|0 0 * * *|2026-09-04 12:00:00
package manual|Africa/Cairo|0 9 * * 5|2026-04-23 10:00:00
package manual|Pacific/Apia|0 0 30 12 *|2011-12-01 00:00:00
package manual|Pacific/Apia|0 12 * * *|2011-12-28 00:00:00
package manual|Pacific/Apia|*/30 * * * *|2011-12-30 09:00:00
package manual|UTC|0 0 29 2 *|2096-03-01 00:00:00
package manual|Atlantic/Azores|0 0 * * *|2026-03-28 12:00:00
package manual|UTC|29 2 * * *|2026-02-28 00:00:00
package manual|UTC|0 0 * * FRI-SUN|2026-01-01 00:00:00
package manual|UTC|0 0 31 12 *|2198-12-31 00:00:00
package manual|UTC|* * * * *|2199-12-31 23:58:30
"""


def main():
    rows = []
    for line in CASES.strip().splitlines():
        source, zone, expr, start = line.split("|")
        rows.append((source, zone, expr, dt.datetime.fromisoformat(start).replace(tzinfo=UTC)))
    rnd = random.Random(5)
    changes = [
        ("America/New_York", "2026-03-08 07:00"), ("America/New_York", "2026-11-01 06:00"), ("Europe/London", "2026-03-29 01:00"),
        ("Europe/London", "2026-10-25 01:00"), ("Europe/Berlin", "2007-03-25 01:00"), ("Africa/Cairo", "2026-04-23 22:00"),
        ("Africa/Cairo", "2026-10-29 21:00"), ("Africa/Cairo", "2010-08-10 21:00"), ("America/Santiago", "2026-04-05 03:00"),
        ("America/Santiago", "2026-09-06 04:00"), ("America/Havana", "2026-03-08 05:00"), ("America/Havana", "2026-11-01 05:00"),
        ("America/Sao_Paulo", "2018-11-04 03:00"), ("America/Sao_Paulo", "2018-02-18 02:00"), ("Atlantic/Azores", "2026-03-29 01:00"),
        ("Atlantic/Azores", "2026-10-25 01:00"), ("Australia/Lord_Howe", "2026-04-04 15:00"), ("Australia/Lord_Howe", "2026-10-03 15:30"),
        ("Australia/Sydney", "2026-04-04 16:00"), ("Australia/Sydney", "2026-10-03 16:00"), ("Pacific/Apia", "2011-12-30 10:00"),
        ("Pacific/Chatham", "2026-04-04 14:00"), ("Pacific/Chatham", "2026-09-26 14:00"), ("Asia/Beirut", "2026-03-28 22:00"),
        ("Asia/Tehran", "2022-03-21 20:30"), ("Asia/Tehran", "2022-09-21 19:30"), ("Asia/Pyongyang", "2015-08-14 15:00"),
        ("Asia/Pyongyang", "2018-05-04 15:00"), ("America/Caracas", "2007-12-09 07:00"), ("America/Caracas", "2016-05-01 07:00"),
        ("Europe/Moscow", "2011-03-26 23:00"), ("Europe/Moscow", "2014-10-25 22:00"), ("Antarctica/Troll", "2026-03-29 01:00"),
        ("Antarctica/Troll", "2026-10-25 01:00"), ("Africa/Casablanca", "2024-03-10 02:00"), ("Africa/Casablanca", "2024-04-14 02:00"),
        ("America/Godthab", "2023-03-26 01:00"), ("Asia/Gaza", "2022-03-26 22:00"), ("America/St_Johns", "2010-03-14 03:31"),
        ("Asia/Kathmandu", "1985-12-31 18:30"),
    ]
    for zone, at in changes:
        at = dt.datetime.fromisoformat(at).replace(tzinfo=UTC)
        wall = (at - dt.timedelta(seconds=1)).astimezone(ZoneInfo(zone)) + dt.timedelta(seconds=1)
        after = at.astimezone(ZoneInfo(zone))
        h, g = wall.hour, after.hour
        for expr in (f"30 {h} * * *", f"0 {g} * * *", f"*/20 {min(h, g)}-{max(h, g)} * * *", f"15,45 {sorted({h, g, (h + 1) % 24})} * * *",
                     f"0 * * * *", f"0 0 * * *", f"{rnd.randrange(60)} {rnd.randrange(24)} * * {rnd.randrange(7)}",
                     f"30 {rnd.randrange(60)} {h} {wall.day} {wall.month} *"):
            expr = expr.replace("[", "").replace("]", "").replace(", ", ",")
            rows.append(("clock change", zone, expr, at - dt.timedelta(minutes=rnd.randrange(0, 90))))
    for source, zone, expr, start in rows:
        times = " ".join(t.strftime("%Y-%m-%dT%H:%M:%SZ") for t in due(expr, zone, start, 3))
        print("\t".join((source, zone, expr, start.strftime("%Y-%m-%dT%H:%M:%SZ"), times or "never")))


if __name__ == "__main__":
    sys.exit(main())
