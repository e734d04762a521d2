"""Build the site from the committed notebooks, then check the built files.

Usage: python book/_tools/site.py. The site lands in _build/html and opens from there. A warning of
the build or a finding of the check fails the command.
"""

import argparse
import sys
import time
from pathlib import Path

from sitebuild import BuildError, build
from sitecheck import check_site, pages

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Build and check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT, help="folder that gets _build/html")
    arguments = parser.parse_args()
    start = time.perf_counter()
    try:
        folder = build(ROOT, arguments.output.resolve())
    except BuildError as error:
        print(f"the site does not build without warnings:\n{error}", file=sys.stderr)
        return 1
    findings = check_site(folder)
    for line in findings:
        print(line, file=sys.stderr)
    seconds = time.perf_counter() - start
    print(f"site: {len(pages(folder))} pages in {seconds:.0f} s, {len(findings)} findings")
    print(f"open {folder / 'index.html'}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
