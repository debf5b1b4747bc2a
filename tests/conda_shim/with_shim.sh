#!/bin/sh
# Runs a command with the stand-in conda first on PATH.
bin=$(cd "$(dirname "$0")/bin" && pwd)
PATH="$bin:$PATH" exec "$@"
