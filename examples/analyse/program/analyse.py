"""Sum up a year of weather: a table, a plot, the numbers as JSON.

	analyse.py CSV DIRECTORY

An honest program, but for one of its imports.
"""

import csv
import json
import os
import statistics
import sys

import handy_plots

WET_MM = 1.0


def read_rows(path):
    with open(path, newline="", encoding="ascii") as f:
        return [{k: v if k == "date" else float(v) for k, v in row.items()}
                for row in csv.DictReader(f)]


def slope(xs, ys):
    """Of the line that fits best."""
    x, y = statistics.fmean(xs), statistics.fmean(ys)
    return (sum((a - x) * (b - y) for a, b in zip(xs, ys)) /
            sum((a - x) ** 2 for a in xs))


def summary(rows):
    rain = [r["rain_mm"] for r in rows]
    return {
        "days": len(rows),
        "low_c": min(r["low_c"] for r in rows),
        "mean_c": round(statistics.fmean(
            (r["low_c"] + r["high_c"]) / 2 for r in rows), 2),
        "high_c": max(r["high_c"] for r in rows),
        "rain_mm": round(sum(rain), 1),
        "wet_days": sum(mm >= WET_MM for mm in rain),
    }


def analyse(rows):
    months = {}
    for row in rows:
        months.setdefault(row["date"][:7], []).append(row)
    rain = [r["rain_mm"] for r in rows]
    return {
        "year": summary(rows),
        "months": {m: summary(rs) for m, rs in months.items()},
        "wind_kmh_per_mm_of_rain": round(
            slope(rain, [r["wind_kmh"] for r in rows]), 3),
    }


def table(result):
    lines = ["period   days    low   mean   high   rain  wet days"]
    form = "%-8s %4d %6.1f %6.1f %6.1f %6.1f %9d"
    for name, s in list(result["months"].items()) + [("year", result["year"])]:
        lines.append(form % (name, s["days"], s["low_c"], s["mean_c"],
                             s["high_c"], s["rain_mm"], s["wet_days"]))
    return "\n".join(lines) + "\n"


def main():
    source, out = sys.argv[1:]
    rows = read_rows(source)
    result = analyse(rows)
    files = {
        "result.json": json.dumps(result, indent=1) + "\n",
        "plot.svg": handy_plots.temperatures(rows),
        "table.txt": table(result),
    }
    for name, text in files.items():
        with open(os.path.join(out, name), "w", encoding="ascii") as f:
            f.write(text)


if __name__ == "__main__":
    main()
