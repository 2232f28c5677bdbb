#!/usr/bin/env python3
"""bench_table.py [--readme FILE | --predicted] [--threads N] LIST RESULTS - the table of what tools/bench measured.

LIST is graphs/benchmarks.txt, RESULTS what `graphrun bench --json` wrote. What is to be reached is scaled
by the microkernel's peak that was measured in the same rounds on as many threads: medians with the median peak, the
best step with the best; see LIST. --readme puts it between the marks <!-- speed --> and <!-- end --> of a file of
Markdown. --predicted compares the cost model's time of a step with the measured ones instead.
"""
import argparse
import json

PEAK = 146.0  # GFLOP/s of a core of the machine for which LIST says what is to be reached


def number(x):
    return f"{x:,.0f}" if x >= 1000 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def faster(r, value):
    """How many times as fast as that value."""
    return value / r["value"] if r["unit"] == "us" else r["value"] / value


def target(text, r, results):
    """What is to be reached, in the unit of r; None where it is not known."""
    if not text:
        return None
    times, _, of = text.partition(" x ")
    if of:
        other = results.get((of, r["threads"]))
        value = r["rivals"].get(of) or other and other["value"] * r["peak_gflops"] / other["peak_gflops"]
        return value and (value / float(times) if r["unit"] == "us" else value * float(times))
    value = float(text.split()[0])
    return value if text.endswith("as is") else value * r["peak_gflops"] / PEAK


def best_reached(text, r):
    """The best step against the best peak; None where what is to be reached is no number of arithmetic."""
    if not text or " " in text:
        return None
    if "best_peak_gflops" not in r:  # of an older file
        return None
    return r["best"] / (float(text) * r["best_peak_gflops"] / PEAK)


def percent(x):
    return f"{100 * x:.0f}%" if x else "-"


def rows(lines, results, threads):
    for line in lines:
        name, _, _, _, unit, wanted = [f.strip() for f in line.split("|")]
        for (workload, n), r in sorted(results.items(), key=lambda x: x[0][1]):
            if workload != name or (threads and n != threads):
                continue
            goal = target(wanted, r, results)
            rivals = ", ".join(f"{k} {number(v)} ({faster(r, v):.2f}x)" for k, v in r["rivals"].items())
            yield [name, str(n), number(r["value"]), number(r["best"]), unit, percent(r["share_of_peak"]), number(goal) if goal else "-",
                   percent(goal and faster(r, goal)), percent(best_reached(wanted, r)), rivals or "-"]


def predicted_rows(lines, results, threads):
    for line in lines:
        name = line.split("|")[0].strip()
        for (workload, n), r in sorted(results.items(), key=lambda x: x[0][1]):
            if workload == name and (not threads or n == threads):
                times = [r["predicted_us"], r["median_us"], r["best_us"]]
                yield [name, str(n), *map(number, times), *(f"{100 * (times[0] / t - 1):+.0f}%" for t in times[1:])]


def print_table(table, left):
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    print()
    for row in table:
        print("  ".join(c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip())


def put_between_marks(path, table):
    with open(path) as f:
        before, _, rest = f.read().partition("<!-- speed -->\n")
    rows = [table[0], ["---"] * len(table[0])] + table[1:]
    text = "".join("| " + " | ".join(row) + " |\n" for row in rows)
    with open(path, "w") as f:
        f.write(before + "<!-- speed -->\n" + text + rest[rest.index("<!-- end -->"):])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--readme")
    parser.add_argument("--predicted", action="store_true")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("list")
    parser.add_argument("results")
    args = parser.parse_args()
    with open(args.list) as f:
        lines = [line for line in f if line.strip() and not line.startswith("#")]
    with open(args.results) as f:
        results = {(r["workload"], r["threads"]): r for r in json.load(f)}
    if args.predicted:
        head = ["workload", "threads", "predicted us", "median", "best", "to median", "to best"]
        print_table([head] + list(predicted_rows(lines, results, args.threads)), (0,))
        return
    head = ["workload", "threads", "median", "best", "unit", "of peak", "to reach", "reached", "at best", "rivals (graphrun: so many times as fast)"]
    table = [head] + list(rows(lines, results, args.threads))
    if args.readme:
        put_between_marks(args.readme, table)
        return
    print_table(table, (0, 4, 9))


main()
