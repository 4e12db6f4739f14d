"""The arithmetic of the benchmarks: from samples of one row to costs, ratios and verdicts.

A sample is a dict with "cost" and perhaps "rate", "p50", "p99", "rss". A result is what a row's
samples become; it is what --json writes:
  samples  {side: [sample of each round]}; sides are "ours", "floor" and the names of peers
  costs    {side: median cost}
  ratios   {other side: [median, least, largest] of ours / other, round by round}
"""
import statistics

UNITS = {"load": "us/msg", "program": "us/msg", "memory": "B/conn", "wakeups": "/s"}
PEERS = ("libuv", "asio")  # no row may be slower than these; the other sides are floors


def spread(values):
    """Median, least and largest."""
    return [statistics.median(values), min(values), max(values)]


def ratios(ours, other):
    """Ours by the other's, of the same round: what disturbs a round disturbs both sides of it."""
    found = [mine["cost"] / its["cost"] for mine, its in zip(ours, other) if its["cost"] > 0]
    return spread(found) if found else None


def summarize(result):
    samples = result["samples"]
    result["costs"] = {side: statistics.median(s["cost"] for s in of_side)
                       for side, of_side in samples.items() if of_side}
    result["ratios"] = {}
    for side, of_side in samples.items():
        ratio = ratios(samples.get("ours", []), of_side) if side != "ours" else None
        if ratio:
            result["ratios"][side] = ratio
    result["verdict"] = verdict(result)
    return result


def median_of(result, side, key):
    values = [sample[key] for sample in result["samples"].get(side, []) if key in sample]
    return statistics.median(values) if values else None


def slower_than(result):
    """The peers that do the same for less."""
    return [peer for peer in PEERS if result["ratios"].get(peer, [0])[0] > 1]


def measured(result):
    """What the target bounds: the ratio to the floor, or our cost; None when it was not measured."""
    if result["target"] is not None:
        return result["ratios"].get("floor", [None])[0]
    return result["costs"].get("ours")


def bound(result):
    return result["target"] if result["target"] is not None else result["absolute"]


def verdict(result):
    """FAILED, OVER (the target), slower (than a peer), ok, or - where there is nothing to hold it to."""
    if "failure" in result:
        return "FAILED"
    value, limit = measured(result), bound(result)
    if value is not None and limit is not None and value > limit:
        return "OVER"
    slower = slower_than(result)
    if slower:
        return "slower than " + ", ".join(slower)
    return "-" if value is None or limit is None else "ok"
