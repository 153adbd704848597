#!/bin/sh
# promptfoo: an evaluation of canned answers with a rule, a regex with a metric name, and a canned grader.
# Run: npm install promptfoo@$VERSION; sh make_promptfoo.sh ../promptfoo
set -e
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
export PROMPTFOO_DISABLE_TELEMETRY=1 PROMPTFOO_DISABLE_UPDATE=1 PROMPTFOO_DISABLE_REMOTE_GENERATION=1
promptfoo eval -c "$here/promptfoo/promptfooconfig.yaml" --no-cache --no-progress-bar --no-table \
  -o "$1/results.json" -o "$1/results.jsonl" || test $? -eq 100 # 100: some tests failed, as they should
