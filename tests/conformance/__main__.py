"""Write ``passes.txt`` anew: what passes today must pass from now on. Shows what is neither right nor refused."""

from __future__ import annotations

import argparse
import re

from separable.compiler.errors import CompileError
from tests.conformance.cases import PASSES, all_cases, passing


def main() -> int:
    """Run the cases that ``--only`` matches; return 1 if one crashed or gave wrong numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="regular expression for names; the others keep their lines")
    only = re.compile(parser.parse_args().only)
    passes, defects = set(), 0
    for name, case in all_cases().items():
        if not only.search(name):
            continue
        try:
            case.run()
            passes.add(name)
        except CompileError:
            pass
        except Exception as error:
            defects += 1
            print(f"{name}: {type(error).__name__}: {error}")
    passes.update(name for name in passing() if name in all_cases() and not only.search(name))
    PASSES.write_text("".join(f"{name}\n" for name in sorted(passes)))
    print(f"{len(passes)} of {len(all_cases())} cases pass, {defects} are wrong or crash")
    return int(bool(defects))


if __name__ == "__main__":
    raise SystemExit(main())
