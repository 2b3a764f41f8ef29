#!/usr/bin/env bash
# Runs the tests against other WAMP implementations, after installing these into
# .peers beside this script unless they are there already. Arguments go to
# `go test`, for example: interop/run.sh -v -run 'OnOurRouter/autobahn-js'
#
# The tests leave out an implementation that cannot be installed, whose name is
# shown; if the variable CI is "true", that is a failure.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
peers=$here/.peers
running=$peers/running # a file for each router and example that runs, named after its process

in_ci() { [[ ${CI:-} == true ]]; }

# without NAME REASON: shows why a peer is missing.
without() {
  if in_ci; then
    echo "interop: $1: $2" >&2
    exit 1
  fi
  echo "interop: without $1: $2"
}

# stop_leftovers ends the programs that a killed test has left behind.
stop_leftovers() {
  local file
  for file in "$running"/*; do
    [[ -e $file ]] || continue
    kill -KILL -- "-$(basename "$file")" 2>/dev/null || true
    rm -f "$file"
  done
}

# find_python prints a Python that is new enough.
find_python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

# can_make_venv PYTHON: Debian keeps ensurepip in a package of its own, which is
# installed in continuous integration only.
can_make_venv() {
  "$1" -c 'import ensurepip, venv' 2>/dev/null && return
  in_ci || return 1
  apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >&2
}

# installed NAME STAMP: reports whether a peer of exactly these versions is there.
installed() { [[ -f $peers/$1/stamp && $(<"$peers/$1/stamp") == "$2" ]]; }

# install NAME STAMP COMMAND...: runs a command that fills .peers/NAME.
install() {
  local name=$1 stamp=$2 log=$peers/$1.log
  shift 2
  installed "$name" "$stamp" && return
  echo "interop: installing $name"
  rm -rf "${peers:?}/$name"
  mkdir -p "$peers/$name"
  if ! "$@" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    return 1
  fi
  printf '%s\n' "$stamp" >"$peers/$name/stamp"
}

venv() { # venv PYTHON FOLDER REQUIREMENTS
  "$1" -m venv "$2" && "$2/bin/pip" install --disable-pip-version-check --progress-bar off -r "$3"
}

node_modules() { # node_modules FOLDER SOURCE
  cp "$2/package.json" "$2/package-lock.json" "$2/.npmrc" "$1/" && npm --prefix "$1" ci
}

# venv_with_examples PYTHON FOLDER REQUIREMENTS: adds Autobahn|Python's examples and
# those of its guide, which are in its source distribution, as FOLDER/source.
venv_with_examples() {
  local version source=$2/source
  version=$(sed -n 's/^autobahn==//p' "$3")
  venv "$@" &&
    "$2/bin/pip" download --disable-pip-version-check --progress-bar off --no-deps --no-binary autobahn \
      --dest "$source" "autobahn==$version" &&
    tar -xzf "$source/autobahn-$version.tar.gz" -C "$source" --strip-components=1 \
      "autobahn-$version/examples" "autobahn-$version/docs/listings"
}

# python_peer NAME FOLDER PROGRAM VARIABLE [COMMAND]: installs a peer from PyPI by
# venv, or by that command.
python_peer() {
  local name=$1 requirements=$here/peers/$2/requirements.txt reason="" python
  if ! python=$(find_python); then
    reason="python 3.11 or newer not found"
  elif ! can_make_venv "$python"; then
    reason="$python cannot make virtual environments (Debian: apt-get install python3-venv)"
  elif ! install "$name" "$("$python" -VV) $(cksum <"$requirements")" "${5:-venv}" "$python" "$peers/$name" "$requirements"; then
    reason="installation failed, see $peers/$name.log"
  fi
  if [[ -n $reason ]]; then
    without "$name" "$reason"
    export "$4_MISSING=$reason"
    return
  fi
  export "$4=$peers/$name/bin/$3"
}

# websocket_flag prints what makes node provide WebSocket, which Autobahn|JS
# needs: nothing from node 22 on, a flag from node 20.10 on.
websocket_flag() {
  local flag
  for flag in "" --experimental-websocket; do
    # shellcheck disable=SC2086 # no flag is no argument
    if node $flag -e 'process.exit(typeof WebSocket === "undefined" ? 1 : 0)' 2>/dev/null; then
      echo "$flag"
      return
    fi
  done
  return 1
}

js_peer() {
  local name=autobahn-js source=$here/peers/autobahn_js reason="" flag=""
  if ! command -v node >/dev/null; then
    reason="node not found"
  elif ! command -v npm >/dev/null; then
    reason="npm not found"
  elif ! flag=$(websocket_flag); then
    reason="node $(node --version) is older than 20.10"
  elif ! install "$name" "$(cksum <"$source/package-lock.json")" node_modules "$peers/$name" "$source"; then
    reason="installation failed, see $peers/$name.log"
  fi
  if [[ -n $reason ]]; then
    without "$name" "$reason"
    export INTEROP_AUTOBAHN_JS_MISSING=$reason
    return
  fi
  INTEROP_AUTOBAHN_JS=$(command -v node)
  export INTEROP_AUTOBAHN_JS INTEROP_NODE_FLAG=$flag INTEROP_NODE_PATH=$peers/$name/node_modules
}

mkdir -p "$running"
stop_leftovers
trap stop_leftovers EXIT
export INTEROP_RUNNING=$running

python_peer autobahn-python autobahn_python python INTEROP_AUTOBAHN_PYTHON
python_peer autobahn-examples autobahn_examples python INTEROP_AUTOBAHN_EXAMPLES venv_with_examples
python_peer crossbar crossbar crossbar INTEROP_CROSSBAR
js_peer

cd "$here/.."
if [[ -z ${INTEROP_CLOVERLEAF:-} ]]; then
  go build -o "$peers/cloverleaf" ./cmd/cloverleaf
  export INTEROP_CLOVERLEAF=$peers/cloverleaf
fi
left_out=()
if [[ -n ${INTEROP_CROSSBAR_MISSING:-} ]]; then
  left_out=(-skip 'Crossbar|TestIdle/Crossbar')
fi
# The tests are few and mostly wait, so they all run at the same time.
go test -tags interop -count=1 -timeout 9m -parallel 10 "${left_out[@]}" ./interop "$@"
