"""House style that no formatter holds, with the reason in each message. Rules are few and short."""

from __future__ import annotations

import ast
import re
import statistics
from pathlib import Path

import pytest

from tests.house.source import PACKAGES, ROOT, kept_files, python_files

FUNCTION_LINES_MAX = 60
FUNCTION_LINES_MEDIAN_MAX = 15
FILE_BYTES_MAX = 512 * 1024
POLL_S_MAX = 0.1
WAIT_S_MAX = 1
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-judge.lock")

# Written in pieces, so that this file does not contain what it forbids.
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
MACHINE_PATH = re.compile(r"(?<![\w./-])/(?:wo" + r"rk|ro" + r"ot|home/\w+)/")
REGISTRY = re.compile(
    r"\b(?:pypi" + r"\.org|pythonhosted" + r"\.org|docker" + r"\.io|ghcr" + r"\.io|quay" + r"\.io)\b"
)


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in kept_files():
        data = path.read_bytes()
        if b"\0" not in data:
            found.append((path.relative_to(ROOT), data.decode()))
    return found


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:80]}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def functions(*folders: str) -> list[tuple[str, int]]:
    """(where, lines of code) of every function; its docstring does not count: prose may be long."""
    found = []
    for path in python_files(*folders):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
                length = (node.end_lineno or 0) - first.lineno + 2  # the head counts as one line
                found.append((f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", length))
    return found


def test_a_function_fits_on_a_screen() -> None:
    long = [
        f"{where}: {n} lines" for where, n in functions(*PACKAGES, "bench", "tests") if n > FUNCTION_LINES_MAX
    ]
    assert not long, f"more than {FUNCTION_LINES_MAX} lines hide a second idea:\n" + "\n".join(long)


def test_most_functions_are_short() -> None:
    assert statistics.median(n for _, n in functions(*PACKAGES)) < FUNCTION_LINES_MEDIAN_MAX


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files(*PACKAGES, "bench", "tests")
        if not ast.get_docstring(ast.parse(path.read_text())) and path.read_text().strip()
    ]
    assert not silent, f"open these modules with a docstring, what for and by which rules: {silent}"


def test_nothing_is_left_unfinished_in_a_comment() -> None:
    assert not (found := lines_with(UNFINISHED)), "write an issue instead:\n" + "\n".join(found)


def test_no_path_of_one_machine_is_kept() -> None:
    found = lines_with(MACHINE_PATH)
    assert not found, "only one machine has this path:\n" + "\n".join(found)


def test_no_package_registry_is_named() -> None:
    found = lines_with(REGISTRY)
    assert not found, "where packages come from is the machine's setting, not ours:\n" + "\n".join(found)


def test_no_large_file_is_kept() -> None:
    large = [path.name for path in kept_files() if path.stat().st_size > FILE_BYTES_MAX]
    assert not large, f"history keeps every version forever: {large}"


def test_text_ends_with_one_line_end_and_has_no_tabs_in_python() -> None:
    wrong = [str(path) for path, text in texts() if text and (not text.endswith("\n") or "\r" in text)]
    wrong += [str(path) for path, text in texts() if path.suffix == ".py" and "\t" in text]
    assert not wrong, f"one line end at the end, no carriage returns, no tabs in Python: {wrong}"


def swallows(node: ast.AST) -> bool:
    """An `except` for everything that does nothing, or its twin `suppress(Exception)`."""
    broad = ("Exception", "BaseException")
    if isinstance(node, ast.ExceptHandler):
        all_of_it = node.type is None or (isinstance(node.type, ast.Name) and node.type.id in broad)
        return all_of_it and all(isinstance(inner, ast.Pass | ast.Continue) for inner in node.body)
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
        return any(ast.unparse(argument) in broad for argument in node.args)
    return False


def sleeps_too_long(node: ast.AST) -> bool:
    """A test waits for what it wants to see: poll by `time.sleep` in small steps, or wait for an event."""
    if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
        return False
    name, length = ast.unparse(node.func), node.args[0].value
    most = {"time.sleep": POLL_S_MAX, "asyncio.sleep": WAIT_S_MAX}.get(name)
    return (
        most is not None
        and isinstance(length, int | float)
        and (length >= most if most >= 1 else length > most)
    )


def found_in(folders: tuple[str, ...], judge) -> list[str]:  # noqa: ANN001  # a function on nodes
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in python_files(*folders)
        for node in ast.walk(ast.parse(path.read_text()))
        if judge(node)
    ]


def test_no_exception_is_swallowed() -> None:
    found = found_in((*PACKAGES, "bench", "tests"), swallows)
    assert not found, f"an operating condition is handled, a bug ends the process: {found}"


def test_tests_wait_for_events_and_do_not_sleep() -> None:
    found = found_in(("tests",), sleeps_too_long)
    # In virtual time a day passes at once; a module that runs in it may sleep as it likes.
    found = [where for where in found if "run_virtual" not in (ROOT / where.partition(":")[0]).read_text()]
    assert not found, f"wait for the event with a deadline, or use the virtual clock: {found}"


@pytest.mark.parametrize(
    ("source", "judge"),
    [
        ("try: f()\nexcept: pass", swallows),
        ("try: f()\nexcept Exception:\n    pass", swallows),
        ("with contextlib.suppress(Exception): f()", swallows),
        ("time.sleep(0.5)", sleeps_too_long),
        ("await asyncio.sleep(1)", sleeps_too_long),
    ],
)
def test_the_rules_catch_a_planted_violation(source: str, judge) -> None:  # noqa: ANN001
    code = f"async def f():\n    {source.replace(chr(10), chr(10) + '    ')}"
    assert any(judge(node) for node in ast.walk(ast.parse(code)))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_every_package_by_version_and_hash(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text, "a lock file names no index"
    assert not re.search(r"^\s*(-i|--index|--extra-index|--find-links|-f)\b", text, re.MULTILINE)
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
    loose = [block.splitlines()[0] for block in blocks if "==" not in block or "--hash=sha256:" not in block]
    assert not loose, f"run `make lock`: {loose}"


def test_the_runtime_lock_is_part_of_the_development_lock() -> None:
    pins = [
        set(re.findall(r"^[A-Za-z0-9._-]+==\S+", (ROOT / name).read_text(), re.MULTILINE)) for name in LOCKS
    ]
    assert pins[0] <= pins[1], f"tests run with other versions than the image: {sorted(pins[0] - pins[1])}"
