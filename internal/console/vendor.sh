#!/bin/sh
# Takes over govuk-frontend as published, without what is reserved for gov.uk: its typeface and the crest.
# Usage: ./vendor.sh FOLDER, where FOLDER is the unpacked package. The licence beside it is kept by hand.
set -eu
from=$1/dist/govuk
to=$(cd "$(dirname "$0")" && pwd)/assets/govuk
mkdir -p "$to"
fonts='system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",Ubuntu,Cantarell,"Helvetica Neue",Arial,sans-serif'
sed -E \
	-e 's/@font-face\{[^}]*\}//g' \
	-e 's#/\*! Copyright \(c\) 2011 by Margaret Calvert[^*]*\*/##' \
	-e "s/GDS Transport,arial,sans-serif/$fonts/g" \
	-e 's/[a-z-]+:url\(\/assets\/images\/govuk-crest\.svg\);?//g' \
	-e 's#/\*\# sourceMappingURL=.*\*/##' \
	"$from/govuk-frontend.min.css" >"$to/govuk-frontend.css"
sed -e 's#//\# sourceMappingURL=.*##' "$from/govuk-frontend.min.js" >"$to/govuk-frontend.js"
if grep -n -o -E 'GDS Transport|url\(/assets[^)]*\)' "$to/govuk-frontend.css"; then
	echo "something reserved for gov.uk is left in the stylesheet" >&2
	exit 1
fi
sed -n 's/^ *"version": "\(.*\)",*$/\1/p' "$1/package.json" >"$to/VERSION.txt"
