#!/usr/bin/env python3
"""Puts known bugs back, one at a time, and requires that the tests find each.

tests/mutants/NN-name.patch is one bug. Its header says what to build and run and what the failure must say:

    Bug: what it does and when
    Preset: dev | release | tsan
    Target: the ninja target(s) that the test needs
    Test: name of the ctest entry
    Filter: GTEST_FILTER for it (optional)
    Expect: words that the output of the failing test must contain (several lines: all of them)

mutants.py [NUMBER...]: all, or those. Works on a copy in build/mutants; the working tree is not touched.
mutants.py --check: only whether every patch has a whole header and still applies. Python standard library only.
"""
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
MUTANTS_MIN = 20


class Mutant:
    def __init__(self, path):
        self.path = path
        self.number = path.name.split('-')[0]
        header, _, _ = path.read_text().partition('\n---')
        self.fields = {}
        for name, value in re.findall(r'^([A-Z][a-z]+): *(.+)$', header, re.MULTILINE):
            self.fields.setdefault(name, []).append(value.strip())

    def get(self, name):
        return self.fields.get(name, [''])[0]

    def problems(self):
        missing = [f'{self.path.name}: no line "{name}: ..."' for name in FIELDS if name not in self.fields]
        applies = apply(self.path, ROOT, '--check')
        if applies.returncode != 0:
            missing.append(f'{self.path.name}: does not apply: {applies.stderr.strip()}')
        return missing


def run(*command, cwd=ROOT, **options):
    return subprocess.run([str(word) for word in command], cwd=cwd, text=True, capture_output=True,
                          check=False, **options)


def apply(patch, folder, *arguments):
    # The copy lies inside of our repository: git must not take it for a part of that.
    options = () if folder == ROOT else ('--unsafe-paths',)
    environment = {'GIT_CEILING_DIRECTORIES': str(WORK), 'PATH': '/usr/bin:/bin'}
    return run('git', 'apply', *arguments, *options, patch, cwd=folder,
               env=None if folder == ROOT else environment)


def copy_tree():
    """Brings the copy up to date; only files that differ are written, so that little is built again."""
    listed = run('git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard').stdout
    files = {name for name in listed.split('\0') if name and (ROOT / name).is_file()}
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
    return run('ninja', '-C', folder, *targets.split(), cwd=COPY)


def test(mutant):
    import os
    environment = dict(os.environ)
    if mutant.get('Filter'):
        environment['GTEST_FILTER'] = mutant.get('Filter')
    return run('ctest', '--test-dir', COPY / 'build' / mutant.get('Preset'), '--output-on-failure',
               '--no-tests=error', '-R', '^' + re.escape(mutant.get('Test')) + '$', cwd=COPY,
               env=environment)


def verdict_of(mutant):
    """'caught', or why not."""
    applied = apply(mutant.path, COPY)
    if applied.returncode != 0:
        return f'does not apply: {applied.stderr.strip()}'
    try:
        built = build(mutant.get('Preset'), mutant.get('Target'))
        if built.returncode != 0:
            return 'does not build:\n' + built.stdout[-3000:] + built.stderr[-1000:]
        result = test(mutant)
        output = result.stdout + result.stderr
        (WORK / (mutant.path.stem + '.log')).write_text(output)
        if 'No tests were found' in output or '0 tests from 0 test suites' in output:
            return 'runs no test'
        if result.returncode == 0:
            return 'SURVIVED'
        missing = [words for words in mutant.fields['Expect'] if words not in output]
        if missing:
            return f'fails, but does not say "{missing[0]}"'
        return 'hangs until ctest ends it' if '***Timeout' in output else 'caught'
    finally:
        apply(mutant.path, COPY, '--reverse')


def main(arguments):
    mutants = [Mutant(path) for path in sorted(PATCHES.glob('*.patch'))]
    problems = [problem for mutant in mutants for problem in mutant.problems()]
    if len(mutants) < MUTANTS_MIN:
        problems.append(f'{PATCHES}: {len(mutants)} mutants, there must be {MUTANTS_MIN}')
    for problem in problems:
        print(problem, file=sys.stderr)
    if arguments == ['--check']:
        return 1 if problems else 0
    chosen = [mutant for mutant in mutants if not arguments or mutant.number in arguments]
    if not chosen:
        print(f'no mutant {" ".join(arguments)}', file=sys.stderr)
        return 1
    copy_tree()
    caught = 0
    for mutant in chosen:
        begin = time.monotonic()
        verdict = verdict_of(mutant)
        caught += verdict == 'caught'
        print(f'{mutant.path.stem:44} {mutant.get("Test"):20} {time.monotonic() - begin:4.0f} s  {verdict}',
              flush=True)
    print(f'{caught} of {len(chosen)} caught')
    return 0 if caught == len(chosen) and not problems else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
