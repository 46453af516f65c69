#!/usr/bin/env bash
# Build the documentation site into .cache/site, and refuse it where a link or an anchor leads nowhere, a page is in no
# menu, or something is loaded from other hosts. With "serve" it is shown while you write.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
[ -d "$bin" ] || bin=.venv/Scripts # Windows
export NO_MKDOCS_2_WARNING=1 PYTHONPATH=src
if [ "${1:-}" = serve ]; then exec "$bin/mkdocs" serve; fi
"$bin/mkdocs" build --strict --quiet "$@"
echo "The site: .cache/site/index.html"
