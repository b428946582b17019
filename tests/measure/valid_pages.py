"""The site's HTML before a validator: exits with 1 and its findings unless every page of an example is valid.

    python -m tests.measure.valid_pages PATH/TO/html-validate FOLDER

The validator is https://html-validate.org from npm, with its preset "standard": HTML as the living standard has it. The
example has a person called like a tag, titles with signs, a page that has moved, and one of an address that is none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.web_library import make
from voicematch.library import open_library
from voicematch.usecases import name as naming
from voicematch.web.site import About, write_site

RULES = {"root": True, "extends": ["html-validate:standard"]}


def main() -> None:
    validator, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    about = About("Garden & moss", "Who says what, “in three shows”.", "https://example.org/voices/")
    make(folder / "library.db")
    with open_library(folder / "library.db") as library:
        write_site(library, folder / "site", about=about)
        naming.rename("Ada Ash", "Ada O'Ash & Co", library=library)
        write_site(library, folder / "site", about=about)
    (folder / "rules.json").write_text(json.dumps(RULES))
    pages = sorted(str(path) for path in (folder / "site").rglob("*.html"))
    if len(pages) < 100 or not any("ada-ash/index.html" in page for page in pages):
        sys.exit(f"{folder}: the example has not the pages it should have")
    done = subprocess.run([validator, "--config", folder / "rules.json", *pages], check=False)
    print(f"{len(pages)} pages: {'valid' if done.returncode == 0 else 'not valid'}")
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
