"""Results as text."""
from figures import PEERS, UNITS, bound, median_of

HEADINGS = ["row", "net", "ours", "floor", "unit", "ratio (min..max)", "target", "", "io_uring", *PEERS,
            "rate ours/floor", "p50 us", "p99 us", "RSS MB"]
LEFT = {"row", "unit", ""}
PATTERNS = {"load": ".2f", "program": ".4f", "memory": ".0f", "wakeups": ".1f"}


def cell(value, pattern):
    return "-" if value is None else format(value, pattern)


def unit_of(result):
    return result.get("unit") or UNITS[result["kind"]]


def spread_text(ratio):
    return "-" if ratio is None else f"{ratio[0]:.2f} ({ratio[1]:.2f}..{ratio[2]:.2f})"


def target_text(result):
    if bound(result) is None:
        return "-"
    return f"<= {bound(result):.4g}" + (" x" if result["target"] is not None else "")


def cells(result):
    pattern = PATTERNS[result["kind"]]
    costs, ratios = result["costs"], result["ratios"]
    rates = [median_of(result, side, "rate") for side in ("ours", "floor")]
    rss = median_of(result, "ours", "rss")
    others = [cell(ratios.get(side, [None])[0], ".2f") for side in ("io_uring", *PEERS)]
    return [result["title"], str(result["net_threads"]), cell(costs.get("ours"), pattern),
            cell(costs.get("floor"), pattern), unit_of(result), spread_text(ratios.get("floor")),
            target_text(result), result["verdict"], *others,
            "-" if rates == [None, None] else f"{cell(rates[0], ',.0f')} / {cell(rates[1], ',.0f')}",
            cell(median_of(result, "ours", "p50"), ".0f"),
            cell(median_of(result, "ours", "p99"), ".0f"),
            cell(None if rss is None else rss / 1e6, ".1f")]


def aligned(rows, is_left):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(text.ljust(width) if is_left(i) else text.rjust(width)
                        for i, (text, width) in enumerate(zip(row, widths))).rstrip()


def print_rows(results):
    for line in aligned([HEADINGS] + [cells(r) for r in results], lambda i: HEADINGS[i] in LEFT):
        print(line)
    print("io_uring, " + ", ".join(PEERS) + ": our cost by theirs for the same work; above 1 they are cheaper")
    for result in results:
        if "failure" in result:
            print(f"\n{result['name']}: {result['failure']}")
        if result.get("missing"):
            print(f"{result['name']}: not measured, because not installed or not allowed here: {', '.join(result['missing'])}")


def print_scale(result):
    """One of the programs of scale.py."""
    print(f"\n{result['title']} (net_threads = {result['net_threads']})")
    if "failure" in result:
        print(result["failure"])
        return
    rows = [result["columns"]] + [[number_text(value) for value in row] for row in result["rows"]]
    for line in aligned(rows, lambda i: False):
        print("  " + line)
    if result.get("note"):
        print("  " + result["note"])


def number_text(value):
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
