"""How the cost grows: with connections, services, timers, workers, receivers, and beside a slow handler.

Each program returns a table: {"title", "columns", "rows", "x", "lines", "unit", "y_axis", "note"}; "x" and
"lines" are the numbers of the columns that the page draws.
"""
import os
import statistics
import sys

from rows import CPU
from sampling import ROOT
from servers import Failure, Server, stop_all

CONNECTIONS = (1, 10, 100, 1_000, 10_000, 19_000)  # both ends have 20,000 descriptors at most
SERVICES = (1, 10, 100, 1_000, 10_000, 100_000)
TIMERS = (100, 1_000, 10_000, 100_000, 1_000_000)
WORKERS = (1, 2, 4, 8, 16, 32, 64)
RECEIVERS = (100, 1_000, 10_000)
BROADCAST_BYTES = 1024
SLOW_MILLISECONDS = 100
PATIENCE = ["--connect-timeout", "60", "--timeout", "60"]


def run(bench, name, net_threads):
    bench.net_threads = net_threads
    try:
        result = PROGRAMS[name](bench)
    except (Failure, OSError) as failure:
        result = dict(title=name, failure=str(failure))
    finally:
        stop_all()
    return dict(result, name=name, net_threads=net_threads)


def median(bench, measure):
    return statistics.median(measure() for _ in range(bench.options.rounds))


def message_cost(bench, server, connections, count):
    """Without connecting: what `count` messages more cost on as many connections."""
    load = ["--connections", str(connections), "--size", "64", *PATIENCE, "--messages"]
    few = max(connections, 1000)

    def total(messages):
        before = server.cpu_seconds()
        bench.run_load(server, [*load, str(messages)])
        return server.cpu_seconds() - before

    return (total(few + count) - total(few)) * 1e6 / count


def connections(bench):
    """Echo with one message in flight on each connection, beside the floor."""
    ours = bench.start_node("bench_echo 127.0.0.1:PORT")
    floor = bench.start_program(["floor_echo_epoll"])
    table = []
    for count in CONNECTIONS:
        messages = int((30_000 if count == 1 else max(200_000, 20 * count)) * bench.scale)
        costs = [[message_cost(bench, server, count, messages) for server in (ours, floor)]
                 for _ in range(bench.options.rounds)]
        table.append([count, statistics.median(cost[0] for cost in costs),
                      statistics.median(cost[1] for cost in costs),
                      statistics.median(cost[0] / cost[1] for cost in costs)])
    return dict(title="echo, 64 B, one message in flight on each connection: us of processor time per message",
                columns=["connections", "ours", "floor", "ratio"], rows=table, x=0, lines=[1, 2], unit="us",
                note="connecting is not counted: the difference of two loads of different length")


def services(bench):
    """64 messages that go around in a ring of services."""
    count = int(2_000_000 * bench.scale)

    def cost(members):
        command = [bench.node, bench.config(f"bench_ring {count} {members} 64", bench.options.backend)]
        return median(bench, lambda: bench.run_program(command, CPU))

    return dict(title="messages between services in a ring, 64 under way: ns of processor time per message",
                columns=["services", "ours"], rows=[[members, cost(members)] for members in SERVICES],
                x=0, lines=[1], unit="ns")


def timers(bench):
    """Starting and firing timers while others wait."""
    count = int(200_000 * bench.scale)

    def measure(waiting):
        found = []
        for _ in range(bench.options.rounds):
            program = Server([bench.node, bench.config(f"bench_timers {count} {waiting}", bench.options.backend)])
            output = program.result(r"(?s)armed in ([\d.]+) ns each.*?" + CPU, 60)
            found.append((float(output[1]), float(output[2])))
            program.stop()
        return [statistics.median(figures) for figures in zip(*found)]

    return dict(title="timers: ns of processor time to start one, and to start and fire one, beside those that wait",
                columns=["waiting", "start", "start and fire"], rows=[[n, *measure(n)] for n in TIMERS],
                x=0, lines=[2], unit="ns")


def workers(bench):
    """More workers than cores: nothing collapses."""
    count = int(2_000_000 * bench.scale)
    both = r"([\d.]+) ns wall, ([\d.]+) ns cpu per message"
    table = []
    for thread in WORKERS:
        found = []
        for _ in range(bench.options.rounds):
            program = Server([bench.node, bench.config(f"bench_pairs {count} 64", bench.options.backend, thread)])
            output = program.result(both, 120)
            found.append((float(output[1]), float(output[2])))
            program.stop()
        wall, cpu = (statistics.median(figures) for figures in zip(*found))
        server = bench.start_node("bench_echo 127.0.0.1:PORT", thread=thread)
        load = ["--connections", "100", "--size", "64", "--messages", str(int(100_000 * bench.scale))]
        echoes = [bench.measure(server, load) for _ in range(bench.options.rounds)]
        server.stop()
        table.append([thread, cpu, 1e3 / wall, statistics.median(echo["cost"] for echo in echoes),
                      statistics.median(echo["p99"] for echo in echoes)])
    return dict(title="workers: 64 pairs of services (ns of processor time per message, million messages a second), "
                      "echo on 100 connections (us of processor time, p99 in us)",
                columns=["workers", "message ns", "M/s", "echo us", "echo p99 us"], rows=table, x=0, lines=[1],
                unit="ns", note=f"{os.cpu_count()} cores, which the load generator shares")


def broadcast(bench):
    """One payload to many sockets, as an object that all sends share, and as bytes that are copied."""
    table = []
    for receivers in RECEIVERS:
        figures = {how: broadcast_once(bench, receivers, how) for how in ("object", "copy")}
        table.append([receivers, *(figures[how][0] for how in figures), *(figures[how][1] for how in figures)])
    return dict(title=f"broadcast of {BROADCAST_BYTES} bytes: us of processor time per socket, and KB of memory that a "
                      "round takes at its peak",
                columns=["sockets", "shared us", "copied us", "shared KB", "copied KB"], rows=table, x=0, lines=[1, 2],
                unit="us", note="shared: SOCKET_BUFFER_OBJECT, one block with a count of its holders, sent from where it "
                                "lies; copied: SOCKET_BUFFER_RAWPOINTER, copied when it has to wait")


def broadcast_once(bench, receivers, how):
    rounds = 5 if bench.options.quick else 20
    server = bench.start_node(f"bench_broadcast 127.0.0.1:PORT {receivers} {rounds} {BROADCAST_BYTES} {how}")
    readers = Server([sys.executable, os.path.join(ROOT, "bench", "readers.py"), str(server.port), str(receivers)])
    readers.wait_for_line("^connected$", 60)
    with open(f"/proc/{server.pid}/clear_refs", "w", encoding="ascii") as peak:
        peak.write("5")  # the peak begins here
    before = server.resident_bytes()
    found = server.wait_for_line(CPU, 60)
    grown = server.resident_bytes("VmHWM") - before
    readers.stop()
    server.stop()
    return float(found[1]) / 1e3, max(0, grown) // 1024


def slow_handler(bench):
    """What clients of an echo notice of a service that computes."""
    load = ["--connections", "20", "--rate", "2000", "--size", "64", "--duration", "1" if bench.options.quick else "5",
            "--warmup", "0.3", "--timeout", "60"]
    table = []
    for thread in (1, 2, 4, 8):
        row = [thread]
        for slow in (0, 1):
            server = bench.start_node(f"bench_busy 127.0.0.1:PORT {slow} {SLOW_MILLISECONDS}", thread=thread)
            rounds = 1 if thread == 1 else bench.options.rounds  # every answer waits there, and so does this
            latencies = [bench.run_load(server, load)["latency_us"] for _ in range(rounds)]
            row += [statistics.median(latency[key] for latency in latencies) for key in ("p50", "p99")]
            server.stop()
        table.append(row)
    return dict(title=f"echo at 2000 a second, alone and beside a service that computes {SLOW_MILLISECONDS} ms at a time: "
                      "latency in us",
                columns=["workers", "alone p50", "alone p99", "beside p50", "beside p99"], rows=table, x=0, lines=[2, 4],
                y_axis="logarithmic", unit="us", note=f"{os.cpu_count()} cores: the busy worker takes one, the node and the load generator "
                                "share the rest")


PROGRAMS = dict(connections=connections, services=services, timers=timers, workers=workers, broadcast=broadcast,
                slow_handler=slow_handler)
WITHOUT_SOCKETS = {"services", "timers"}
