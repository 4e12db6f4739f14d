#!/usr/bin/env python3
"""Puts known bugs back, one at a time, and requires that the tests find each.

tests/mutants/NN-name.patch is one bug. Its header says what to build and run and what the failure must say:

    Bug: what it does and when
    Preset: dev | release | tsan
    Target: the ninja target(s) that the test needs
    Test: name of the ctest entry
    Filter: GTEST_FILTER for it (optional)
    Expect: words that the output of the failing test must contain (several lines: all of them)

A bug in Lua files alone changes nothing that is built: the tests read them where they are.

mutants.py [NUMBER...]: all, or those. Works on a copy in build/mutants, never on the working tree; an interrupted
run leaves nothing behind that the next one does not put right. First every test must pass without its bug.
mutants.py --check: only whether every patch has a whole header and still applies. Python standard library only.
"""
import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATCHES = ROOT / 'tests' / 'mutants'
WORK = ROOT / 'build' / 'mutants'
COPY = WORK / 'tree'
FIELDS = ('Bug', 'Preset', 'Target', 'Test', 'Expect')
MUTANTS_MIN = 60


class Mutant:
    def __init__(self, path):
        self.path = path
        self.number = path.name.split('-')[0]
        header, _, diff = path.read_text().partition('\n---')
        changed = re.findall(r'^\+\+\+ b/(.+)$', diff, re.MULTILINE)
        self.is_built = not all(name.endswith('.lua') for name in changed)
        self.fields = {}
        for name, value in re.findall(r'^([A-Z][a-z]+): *(.+)$', header, re.MULTILINE):
            self.fields.setdefault(name, []).append(value.strip())

    def get(self, name):
        return self.fields.get(name, [''])[0]

    def problems(self, root):
        found = [f'{self.path.name}: no line "{name}: ..."' for name in FIELDS if name not in self.fields]
        applied = apply(self.path, root, '--check')
        if applied.returncode != 0:
            found.append(f'{self.path.name}: does not apply: {applied.stderr.strip()}')
        return found


def run(*command, cwd=ROOT, **options):
    return subprocess.run([str(word) for word in command], cwd=cwd, text=True, errors='replace',
                          capture_output=True, check=False, **options)


def apply(patch, folder, *arguments):
    # A folder inside of a repository (the copy) must not be taken for a part of that, or git passes over the
    # patch in silence.
    environment = dict(os.environ, GIT_CEILING_DIRECTORIES=str(folder.parent))
    return run('git', 'apply', *arguments, '--unsafe-paths', patch, cwd=folder, env=environment)


def copy_tree():
    """Brings the copy up to date; only files that differ are written, so that little is built again."""
    listed = run('git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard')
    if listed.returncode != 0:
        sys.exit(f'git ls-files: {listed.stderr.strip()}')
    files = {name for name in listed.stdout.split('\0') if name and (ROOT / name).is_file()}
    if COPY.is_dir():
        for path in COPY.rglob('*'):
            name = path.relative_to(COPY)
            if path.is_file() and name.parts[0] != 'build' and str(name) not in files:
                path.unlink()
    for name in files:
        source, target = ROOT / name, COPY / name
        if target.is_file() and target.read_bytes() == source.read_bytes():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def build(preset, targets):
    folder = COPY / 'build' / preset
    if not (folder / 'build.ninja').is_file():
        launcher = []
        if shutil.which('ccache'):
            launcher = [f'-DCMAKE_{language}_COMPILER_LAUNCHER=ccache' for language in ('C', 'CXX')]
        configured = run('cmake', '--preset', preset, *launcher, cwd=COPY)
        if configured.returncode != 0:
            return configured
    return run('ninja', '-C', folder, '-j', os.cpu_count() or 1, *targets, cwd=COPY)


def failure_of_build(built):
    return 'does not build:\n' + built.stdout[-3000:] + built.stderr[-1000:]


def test(mutant):
    environment = dict(os.environ)
    if mutant.get('Filter'):
        environment['GTEST_FILTER'] = mutant.get('Filter')
    return run('ctest', '--test-dir', COPY / 'build' / mutant.get('Preset'), '--verbose', '--no-tests=error',
               '-R', '^' + re.escape(mutant.get('Test')) + '$', cwd=COPY, env=environment)


def ran_nothing(output):
    return 'No tests were found' in output or '0 tests from 0 test suites' in output


def judge(returncode, output, expected):
    """What a run of the test with the bug means: 'caught', or why not."""
    if ran_nothing(output):
        return 'runs no test'
    if returncode == 0:
        return 'SURVIVED'
    missing = [words for words in expected if words not in output]
    if missing:
        return f'fails, but does not say "{missing[0]}"'
    return 'hangs until ctest ends it' if '***Timeout' in output else 'caught'


def verdict_of(mutant):
    applied = apply(mutant.path, COPY)
    if applied.returncode != 0:
        return f'does not apply: {applied.stderr.strip()}'
    try:
        # Also for a bug that is not built: the bug before it was, and must go.
        built = build(mutant.get('Preset'), mutant.get('Target').split())
        if built.returncode != 0:
            return failure_of_build(built)
        if mutant.is_built and 'no work to do' in built.stdout:
            return f'changes nothing that {mutant.get("Target")} is built from'
        result = test(mutant)
        output = result.stdout + result.stderr
        (WORK / (mutant.path.stem + '.log')).write_text(output)
        return judge(result.returncode, output, mutant.fields['Expect'])
    finally:
        apply(mutant.path, COPY, '--reverse')


def problems_without_bugs(mutants):
    """A test that fails anyway, or that is not there, proves nothing."""
    found = []
    targets = {}
    for mutant in mutants:
        targets.setdefault(mutant.get('Preset'), set()).update(mutant.get('Target').split())
    for preset, names in targets.items():
        built = build(preset, sorted(names))
        if built.returncode != 0:
            return [f'the tree {failure_of_build(built)}']
    seen = set()
    for mutant in mutants:
        key = tuple(mutant.get(name) for name in ('Preset', 'Test', 'Filter'))
        if key in seen:
            continue
        result = test(mutant)
        output = result.stdout + result.stderr
        if judge(result.returncode, output, []) != 'SURVIVED':
            found.append(f'{mutant.path.name}: its test does not pass without the bug:\n{output[-3000:]}')
        seen.add(key)
    return found


def complain(problems):
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def main(arguments):
    mutants = [Mutant(path) for path in sorted(PATCHES.glob('*.patch'))]
    problems = [problem for mutant in mutants for problem in mutant.problems(ROOT)]
    if len(mutants) < MUTANTS_MIN:
        problems.append(f'{PATCHES}: {len(mutants)} mutants, there must be {MUTANTS_MIN}')
    unknown = set(arguments) - {mutant.number for mutant in mutants} - {'--check'}
    if unknown:
        problems.append(f'no mutant {" ".join(sorted(unknown))}')
    if problems or '--check' in arguments:
        return complain(problems)
    chosen = [mutant for mutant in mutants if not arguments or mutant.number in arguments]
    WORK.mkdir(parents=True, exist_ok=True)
    with open(WORK / 'lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one copy, one run
        copy_tree()
        problems = problems_without_bugs(chosen)
        if problems:
            return complain(problems)
        caught = 0
        for mutant in chosen:
            begin = time.monotonic()
            verdict = verdict_of(mutant)
            caught += verdict == 'caught'
            print(f'{mutant.path.stem:32} {mutant.get("Test"):22} {time.monotonic() - begin:4.0f} s  {verdict}',
                  flush=True)
    print(f'{caught} of {len(chosen)} caught, each by a test that says what went wrong')
    return 0 if caught == len(chosen) else 1


if __name__ == '__main__':
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
