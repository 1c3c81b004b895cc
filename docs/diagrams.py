"""MkDocs hook: pages with diagrams load Mermaid from the site itself, so that they show them without network.

The theme would load it from a CDN. A page without a diagram loads nothing more.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

#: `make docs` downloads the wheel that docs/mermaid.txt pins into this folder, once
WHEELS = Path(__file__).parents[1] / "build" / "mermaid"
MEMBER = "mermaidx/assets/mermaid.js"
#: of dist/mermaid.min.js in the npm package mermaid 11.16.0
SHA256 = "74d7c46dabca328c2294733910a8aa1ed0c37451776e8d5295da38a2b758fb9b"
LOADS_FROM_ELSEWHERE = re.compile(r"""<(?:script|img|iframe|link)[^>]* (?:src|href)="((?:https?:)?//[^"]*)""")
SCRIPT = "javascripts/mermaid.min.js"


def mermaid() -> bytes:
    """Return Mermaid's script from the downloaded wheel.

    Raises PluginError if there is no wheel, or if its script is not the published one.
    """
    wheels = sorted(WHEELS.glob("mermaidx-*.whl"))
    if not wheels:
        raise PluginError("build/mermaid has no wheel; run `make docs`, which downloads it once")
    with zipfile.ZipFile(wheels[-1]) as wheel:
        script = wheel.read(MEMBER)
    if hashlib.sha256(script).hexdigest() != SHA256:
        raise PluginError(
            f"{wheels[-1].name}: {MEMBER} is not the script of Mermaid that docs/diagrams.py names"
        )
    return script


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add Mermaid's script to the files of the site."""
    files.append(File.generated(config, SCRIPT, content=mermaid()))
    return files


def on_post_page(output: str, page: Page, **_: object) -> str:
    """Return the page's HTML; if it has a diagram, with Mermaid before the theme's own scripts.

    Raises PluginError if the page would load anything from another site.
    """
    if foreign := LOADS_FROM_ELSEWHERE.search(output):
        raise PluginError(f"{page.file.src_path}: {foreign.group(1)} would be loaded from another site")
    if 'class="mermaid"' not in output:
        return output
    source = get_relative_url(SCRIPT, page.url)
    before, body, after = output.rpartition("</main>")
    return f'{before}{body}<script src="{source}"></script>{after}'
