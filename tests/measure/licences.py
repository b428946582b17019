"""The licences of all that is installed beside voicematch, in one text: ``python -m tests.measure.licences > FILE``.

Run it in the environment that is meant. Of each package the name, version and licence as its maker declares them, then
the texts that came with it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions

TEXT = re.compile(r"(^|/)(licen[cs]e|copying|notice|authors)[^/]*$", re.IGNORECASE)


def declared(package: Distribution) -> str:
    """The licence as the package's metadata has it."""
    metadata = package.metadata
    names = [line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier", []) if line.startswith("License ::")]
    expression, free = (str(metadata.json.get(key, "")) for key in ("license_expression", "license"))
    return expression or ", ".join(names) or free.strip().partition("\n")[0] or "not declared"


def texts(package: Distribution) -> Iterator[tuple[str, str]]:
    """(path, content) of the licence files that came with a package."""
    for file in package.files or ():
        if TEXT.search(str(file)) and file.suffix not in (".py", ".pyc"):
            content = file.read_text() if file.locate().is_file() else None  # type: ignore[attr-defined]
            if content:
                yield str(file), content.strip()


def main() -> int:
    packages = sorted(distributions(), key=lambda package: package.metadata["Name"].lower())
    for package in packages:
        print(f"{package.metadata['Name']} {package.version}: {declared(package)}")
    for package in packages:
        for path, content in texts(package):
            print(f"\n{'=' * 78}\n{package.metadata['Name']} {package.version}: {path}\n{'=' * 78}\n{content}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
