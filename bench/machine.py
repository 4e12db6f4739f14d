"""What was measured on what, for whoever reads the figures later."""
import datetime
import os
import re
import subprocess


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "?"
    return (done.stdout.splitlines() or ["?"])[0]


def describe(root, build):
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
        model = re.search(r"model name\s*:\s*(.*)", lines.read())
    with open("/proc/meminfo", encoding="ascii") as lines:
        kib = int(re.search(r"MemTotal:\s+(\d+)", lines.read())[1])
    return dict(cpu=model[1] if model else os.uname().machine, cores=os.cpu_count(),
                memory_gib=round(kib / 2**20, 1), kernel=f"Linux {os.uname().release}",
                compiler=compiler(build), build=build_type(build),
                commit=first_line(["git", "-C", root, "describe", "--always", "--dirty", "--abbrev=12"]),
                load=round(os.getloadavg()[0], 2),
                date=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"))


def cached(build, name):
    try:
        with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as cache:
            found = re.search(rf"^{name}(?::\w+)?=(.*)$", cache.read(), re.M)
    except OSError:
        return None
    return found[1] if found else None


def compiler(build):
    return first_line([cached(build, "CMAKE_CXX_COMPILER") or "c++", "--version"])


def build_type(build):
    kind = cached(build, "CMAKE_BUILD_TYPE") or "?"
    return f"{kind} {cached(build, 'CMAKE_CXX_FLAGS_' + kind.upper()) or ''}".strip()


def text(machine):
    return (f"{machine['cpu']}, {machine['cores']} cores, {machine['kernel']}, {machine['compiler']}, "
            f"load {machine['load']}, {machine['date']}")
