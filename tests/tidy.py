#!/usr/bin/env python3
"""The house rules a machine can see: who includes whom, sizes, docs that name real files."""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

COLUMNS_MAX = 100
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

# A folder may include the folders named here (longest prefix wins), and itself.
MAY_INCLUDE = {
    "messages": [],
    "config": ["messages"],
    "persistence": ["messages", "config"],
    "actors": ["messages", "config", "persistence/*.hpp"],
    "gateway": ["messages", "config", "persistence/*.hpp"],
    "cluster/membership": ["messages", "config", "persistence/*.hpp"],
    "cluster/sharding": ["messages", "config", "persistence/*.hpp"],
    "cluster/link": ["messages", "config", "persistence/*.hpp"],
    "cluster/tools": ["messages", "config", "persistence/*.hpp"],
    "cluster": ["messages", "config", "persistence", "actors", "gateway", "cluster"],
    "tests": ["messages", "config", "persistence", "actors", "gateway", "cluster", "tests"],
}
TOP = {"messages", "config", "persistence", "actors", "gateway", "cluster", "tests"}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
DOC_PATH = re.compile(
    r"`((?:[\w.-]+/)+[\w.-]+\.(?:cpp|hpp|proto|py|md|yaml|mjs|ts|vue|txt|cmake|json))`")
CONDITION = re.compile(r"\b(?:if|while|switch)\s*\(")
LOCAL = re.compile(r"^(?!(?:co_return|co_await|co_yield|return|throw|else|if|for|while|switch|try|"
                   r"do|case|delete|using)\b)(?:[A-Za-z_][\w:]*(?:<.*>)?(?:::\w+)*[\s*&]+)+"
                   r"(?:\w+|\[[\w, ]+\])\s*(?:=|\{|;|\()")
BODY = re.compile(r"^(?:  )?\S.*[)\w] (?:noexcept |const |override |final |mutable )*\{$")
NO_BODY = re.compile(r"^\s*(?:class|struct|enum|union|namespace|extern|template|TEST_SUITE)\b")


def tracked(root):
    out = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"],
                         capture_output=True, text=True, check=True).stdout
    return [Path(line) for line in out.splitlines() if (Path(root) / line).is_file()]


def layer_of(path):
    names = [n for n in MAY_INCLUDE if str(path).startswith(n + "/")]
    return max(names, key=len) if names else None


def allowed(layer, target):
    if layer != "cluster" and layer_of(target) == layer:
        return True
    for rule in MAY_INCLUDE[layer]:
        if rule.endswith("/*.hpp"):
            folder = rule[: -len("/*.hpp")]
            if str(Path(target).parent) == folder:
                return True
        elif target.startswith(rule + "/"):
            return True
    return False


def check_includes(path, text):
    layer = layer_of(path)
    if layer is None:
        return
    for match in INCLUDE.finditer(text):
        target = match.group(1)
        line = text[: match.start()].count("\n") + 1
        if target.split("/")[0] in TOP and not allowed(layer, target):
            yield f"{path}:{line}: {layer}/ may not include {target}"
        elif target.split("/")[0] not in TOP and not target.startswith("troupe/v1/"):
            yield f"{path}:{line}: include \"{target}\" by its path from the top, or with <>"


def check_sizes(path, text):
    lines = text.split("\n")
    if len(lines) - 1 > FILE_LINES_MAX:
        yield f"{path}: {len(lines) - 1} lines, at most {FILE_LINES_MAX}: split it"
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            yield f"{path}:{number}: {len(line)} columns, at most {COLUMNS_MAX}"


def check_functions(path, text):
    """A function's body as clang-format lays it out: from `{` at a line's end to `}` below it."""
    start = None
    for number, line in enumerate(text.split("\n"), 1):
        if start is None:
            if BODY.match(line) and not NO_BODY.match(line):
                start, indent = number, len(line) - len(line.lstrip())
        elif line.startswith(" " * indent + "}"):
            if number - start > FUNCTION_LINES_MAX:
                yield (f"{path}:{start}: a function of {number - start} lines, "
                       f"at most {FUNCTION_LINES_MAX}")
            start = None


def awaits(text, start):
    """Whether the parenthesis that opens before `start` holds a co_await."""
    depth = 1
    for i in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return "co_await" in text[start:i]
    return False


def check_coroutines(path, text):
    """g++ 12.2 lays out a coroutine's frame wrongly (PR 106188: memory is overwritten) when a
    condition awaits and the function's outermost block declares no variable."""
    start = None
    for number, line in enumerate(text.split("\n"), 1):
        if start is None:
            if BODY.match(line) and not NO_BODY.match(line):
                start, indent, body = number, len(line) - len(line.lstrip()), []
        elif line.startswith(" " * indent + "}"):
            whole = "\n".join(body)
            outer = [x[indent + 2:] for x in body if x[:indent + 2].isspace()]
            if any(awaits(whole, m.end()) for m in CONDITION.finditer(whole)) and not any(
                    LOCAL.match(x) for x in outer):
                yield (f"{path}:{start}: a condition awaits in a coroutine without a variable in "
                       "its outermost block, which g++ 12.2 miscompiles: await into one first")
            start = None
        else:
            body.append(line)


def check_doc(root, path, text):
    for match in DOC_PATH.finditer(text):
        name = match.group(1)
        homes = [Path(root), Path(root) / path.parent]
        if not name.startswith("build/") and not any((home / name).exists() for home in homes):
            line = text[: match.start()].count("\n") + 1
            yield f"{path}:{line}: names {name}, which does not exist"


def check(root):
    for path in tracked(root):
        text = (Path(root) / path).read_text(errors="replace")
        if path.suffix in {".cpp", ".hpp"}:
            yield from check_includes(path, text)
            yield from check_sizes(path, text)
            yield from check_functions(path, text)
            yield from check_coroutines(path, text)
        elif path.suffix in {".py", ".mjs", ".ts", ".vue"}:
            yield from check_sizes(path, text)
        elif path.suffix == ".md":
            yield from check_doc(root, path, text)


def self_test():
    """Plants one violation of each rule and sees each caught."""
    planted = {
        "messages/a.hpp": '#include "actors/b.hpp"\n',
        "gateway/c.cpp": '#include "persistence/soci/d.hpp"\n',
        "actors/e.cpp": "// " + "x" * COLUMNS_MAX + "\n",
        "actors/f.cpp": "\n" * (FILE_LINES_MAX + 1),
        "actors/g.cpp": "void g() {\n" + "  g();\n" * (FUNCTION_LINES_MAX + 1) + "}\n",
        "docs/h.md": "See `actors/none.cpp`.\n",
        "actors/i.cpp": '#include "b.hpp"\n',
        "gateway/j.cpp": "x f() {\n  if (ready\n      && !co_await g())\n    co_return;\n}\n",
    }
    clean = {
        "gateway/ok.cpp": '#include "persistence/repositories.hpp"\n#include "messages/id.hpp"\n',
        "gateway/good.cpp": "x f() {\n  bool a = 0;\n  if (co_await g())\n    a = 1;\n}\n",
        "cluster/node.cpp": '#include "actors/session/session.hpp"\n',
    }
    with tempfile.TemporaryDirectory() as root:
        subprocess.run(["git", "init", "-q", root], check=True)
        for name, text in {**planted, **clean}.items():
            file = Path(root) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        found = list(check(root))
    missed = [name for name in planted if not any(str(f).startswith(name) for f in found)]
    wrong = [f for f in found if any(str(f).startswith(name) for name in clean)]
    if missed or wrong:
        print(f"tidy.py missed the planted violations in {missed}, and complained of {wrong}")
        return 1
    print(f"tidy.py caught {len(planted)} planted violations")
    return 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    found = list(check(sys.argv[1] if len(sys.argv) > 1 else "."))
    print("\n".join(found) if found else "tidy: nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
