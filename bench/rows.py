"""What is measured: every row of the table is data. The targets are the project's budget."""


def tcp(connections, *more, size=64):
    return ["--connections", str(connections), "--size", str(size), *more]


TCP_PEERS = {"io_uring": ["floor_echo_uring"], "libuv": ["peer_echo_libuv"], "asio": ["peer_echo_asio"]}
FRAME_PEERS = {name: [*command, "--frames"] for name, command in TCP_PEERS.items()}
UDP_PEERS = {"libuv": ["peer_udp_libuv"], "asio": ["peer_udp_asio"]}

# What a program prints; thousands of it make the figure.
CPU = r"([\d.]+) ns cpu per message"
WALL = r"([\d.]+) ns wall"
BYTES = r"([\d.]+) bytes each"

# kind "load":     processor time of the server per message under skyloom-load
# kind "program":  two programs that print their figure themselves: processor time, or what `pattern` finds
# kind "memory":   growth of the server's resident memory per idle connection
# kind "wakeups":  voluntary context switches per second of a server without work
# `peers`: the same work on other libraries, and on the kernel's other interface (a second floor).
# `ours`: what the configuration's `bootstrap` starts; PORT is filled in. `target`: ratio to the
# floor; `absolute`: what ours may cost in the row's unit, where no ratio says it.
ROWS = [
    dict(name="echo", kind="load", title="echo, 100 connections, 64 B",
         ours="bench_echo 127.0.0.1:PORT", floor=["floor_echo_epoll"], peers=TCP_PEERS,
         load=tcp(100), messages=200_000, target=1.15),
    dict(name="echo_16k", kind="load", title="echo, 20 connections, 16 KiB",
         ours="bench_echo 127.0.0.1:PORT", floor=["floor_echo_epoll"], peers=TCP_PEERS,
         load=tcp(20, size=16384), messages=100_000, target=1.15),
    dict(name="gate", kind="load", title="gate and C agents, 100 connections, 64 B",
         ours="bench_watchdog S 127.0.0.1:PORT 20000", floor=["floor_echo_epoll", "--frames"],
         peers=FRAME_PEERS, load=tcp(100, "--framing", "2"), messages=200_000, target=1.2),
    dict(name="gate_32", kind="load", title="gate and C agents, 50 connections, 32 in flight",
         ours="bench_watchdog S 127.0.0.1:PORT 20000", floor=["floor_echo_epoll", "--frames"],
         peers=FRAME_PEERS, load=tcp(50, "--framing", "2", "--pipeline", "32"), messages=2_000_000, target=3.5),
    dict(name="churn", kind="load", title="connect, one message, disconnect",
         ours="bench_echo 127.0.0.1:PORT", floor=["floor_echo_epoll"], peers=TCP_PEERS,
         load=tcp(50), messages=30_000, count_option="--churn", target=1.15),
    dict(name="udp", kind="load", title="UDP echo, 50 sockets, 64 B", protocol="udp",
         ours="bench_udp_echo 127.0.0.1:PORT", floor=["floor_udp_echo"], peers=UDP_PEERS,
         load=tcp(50, "--protocol", "udp"), messages=300_000, target=1.2),
    dict(name="message", kind="program", title="message between two C services",
         ours="bench_pingpong COUNT 1", floor=["floor_queue", "COUNT"],
         messages=2_000_000, target=10),
    dict(name="message_64", kind="program", title="message between two C services, 64 in flight",
         ours="bench_pingpong COUNT 64", floor=["floor_queue", "COUNT"],
         messages=4_000_000, target=10),
    dict(name="idle_memory", kind="memory", title="memory of an idle connection, bytes",
         ours="bench_echo 127.0.0.1:PORT", floor=["floor_echo_epoll"],
         connections=5_000, absolute=512),
    dict(name="gate_memory", kind="memory", title="memory of a gate session and its C agent, bytes",
         ours="bench_watchdog S 127.0.0.1:PORT 20000", floor=["floor_echo_epoll", "--frames"],
         connections=2_000, absolute=None),
    dict(name="gate_session", kind="memory", title="memory of an idle gate session, bytes",
         ours="bench_watchdog S 127.0.0.1:PORT 20000 alone", floor=["floor_echo_epoll", "--frames"],
         connections=5_000, absolute=1024),
    dict(name="lua_echo", kind="load", title="framed echo in a Lua service, 100 connections",
         ours="snlua bench_lua_main echo PORT", floor=["floor_echo_epoll", "--frames"],
         load=tcp(100, "--framing", "2"), messages=200_000, target=1.2),
    dict(name="lua_gate", kind="load", title="gate and Lua agents, 100 connections, 64 B",
         ours="snlua bench_lua_main PORT", floor=["floor_echo_epoll", "--frames"],
         load=tcp(100, "--framing", "2"), messages=200_000, target=1.35),
    dict(name="lua_gate_32", kind="load", title="gate and Lua agents, 50 connections, 32 in flight",
         ours="snlua bench_lua_main PORT", floor=["floor_echo_epoll", "--frames"],
         load=tcp(50, "--framing", "2", "--pipeline", "32"), messages=1_000_000, target=7),
    # 3 times as many a second as Skynet's 0.16 M, and 0.11 M with 64 at a time.
    dict(name="lua_call", kind="program", title="skynet.call between two Lua services, wall time",
         ours="snlua bench_lua_main call COUNT 1", pattern=WALL, messages=500_000, absolute=1e6 / 480_000),
    dict(name="lua_call_64", kind="program", title="skynet.call, 64 at a time, wall time",
         ours="snlua bench_lua_main call COUNT 64", pattern=WALL, messages=500_000, absolute=1e6 / 330_000),
    dict(name="lua_launch", kind="program", title="launching a Lua service; floor: a Lua state",
         ours="snlua bench_lua_main launch COUNT", floor=["floor_lua_state", "COUNT"], messages=3_000, target=3),
    dict(name="lua_memory", kind="program", title="memory of an idle Lua service; floor: a Lua state, KB",
         ours="snlua bench_lua_main launch COUNT", floor=["floor_lua_state", "COUNT"], pattern=BYTES, unit="KB",
         messages=3_000, absolute=50),
    dict(name="idle", kind="wakeups", title="wake-ups per second of an idle node",
         ours="bench_echo 127.0.0.1:PORT", floor=["floor_echo_epoll"], absolute=0),
]
