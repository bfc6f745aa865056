#!/usr/bin/env python3
"""Turns GCC's compile commands into clang's, for clang-tidy.

usage: lint_commands.py BUILD OUT FILE...
Writes OUT/compile_commands.json and prints those of the files that are compiled at all.
"""
import json
import shlex
import subprocess
import sys
from pathlib import Path

DROPPED = {"-fcoroutines", "-Winvalid-pch", "-MD"}
DROPPED_WITH_VALUE = {"-MT", "-MF", "-o", "--param"}


def clang_arguments(command):
    """Without the launcher, GCC's own flags and GCC's precompiled header."""
    words = shlex.split(command)
    compiler = next(i for i, w in enumerate(words) if w.endswith(("c++", "g++")))
    result = ["clang++-14", "-Wno-unknown-warning-option"]
    i = compiler + 1
    while i < len(words):
        word = words[i]
        if word in DROPPED_WITH_VALUE:
            i += 2
            continue
        if word == "-include" and words[i + 1].endswith("cmake_pch.hxx"):
            i += 2
            continue
        if word not in DROPPED:
            result.append(word)
        i += 1
    return result


def precompiled(out, arguments, directory):
    """The precompiled header as clang makes it; the flags of any file that uses it will do."""
    header = Path("messages/pch.hpp").resolve()
    flags = [a for a in arguments[1:] if a != "-c" and not a.endswith(".cpp")]
    target = (out / "pch.hpp.pch").resolve()
    command = ["clang++-14", *flags, "-x", "c++-header", str(header), "-o", str(target)]
    subprocess.run(command, check=True, cwd=directory)
    return target


def main():
    build, out, wanted = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    known = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        known[str(Path(entry["directory"], entry["file"]).resolve())] = entry
    chosen = [name for name in wanted if str(Path(name).resolve()) in known]
    commands, header = [], None
    for name in chosen:
        entry = known[str(Path(name).resolve())]
        arguments = clang_arguments(entry["command"])
        if "cmake_pch.hxx" in entry["command"]:
            if header is None:
                header = precompiled(out, arguments, entry["directory"])
            arguments[1:1] = ["-include-pch", str(header)]
        commands.append({"directory": entry["directory"], "file": entry["file"],
                         "arguments": arguments})
    (out / "compile_commands.json").write_text(json.dumps(commands, indent=1))
    print("\n".join(chosen))


if __name__ == "__main__":
    main()
