# Sourced by the scripts: makes environments under .build/, and nothing outside the project's folder.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
build=$root/.build
mkdir -p "$build"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CACHE_DIR=$build/pip-cache
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
# Hundreds of processes import Airflow. Where Python may not keep what it compiles, each of them compiles all of it.
unset PYTHONDONTWRITEBYTECODE
# The emulators, Airflow's API server and the test servers are on this machine, where no proxy finds them.
no_proxy=${no_proxy:-${NO_PROXY:-}}
[[ $no_proxy == '*' ]] || no_proxy+="${no_proxy:+,}localhost,127.0.0.1,::1"
export no_proxy NO_PROXY=$no_proxy

# find_python FIRST LAST: prints a Python whose version lies in 3.FIRST to 3.LAST; fails when there is none.
find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 $(seq -f 'python3.%g' "$2" -1 "$1"); do
    if "$candidate" -c "import sys; sys.exit(not (3, $1) <= sys.version_info[:2] <= (3, $2))" 2>/dev/null; then
      # The interpreter itself, not a shim in front of it.
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  return 1
}

# make_env LINE EXTRA [NAME REQUIREMENT...]: makes .build/env-NAME (default: LINE) with both projects (editable), the
# provider's EXTRA (or '' for none), the line's constraints and further requirements. Sets $bin to its programs. Does
# nothing where that environment is there already.
make_env() {
  local line=$1 extra=$2 name=${3:-$1} last=14 python stamp pins=$root/constraints/airflow-$1.txt
  [[ $extra != benchmark && $extra != clients ]] || pins=$root/constraints/airflow-benchmark.txt
  [[ $extra != distributed ]] || pins=$root/constraints/airflow-distributed.txt
  shift $(($# < 3 ? $# : 3))
  [[ $line == 3.3 || $line == 3.2 ]] || last=12
  bin=$build/env-$name/bin
  python=$(find_python 10 "$last") || { echo "No Python 3.10 to 3.$last found for Airflow $line." >&2; return 1; }
  stamp=$(cat "$root"{,/emulator}/pyproject.toml "$pins" <(echo "$python $extra $*") | cksum)
  [[ -f $bin/../stamp && $(<"$bin/../stamp") == "$stamp" ]] && return
  echo "Making the environment for Airflow $line (a few minutes the first time) ..." >&2
  rm -rf "${bin%/bin}"
  "$python" -m venv "${bin%/bin}"
  # Python compiles what is used when it is used; most of Airflow's dependencies never are.
  "$bin/pip" install --quiet --quiet --no-compile --editable "$root/emulator" --editable "$root${extra:+[$extra]}" "apache-airflow~=$line.0" "$@" \
    --constraint "$pins" >&2
  echo "$stamp" >"$bin/../stamp"
}

# The newest supported line.
newest=3.3

# make_line LINE: makes the environment that the tests of a line run in. Fails where this machine has no Python for it.
make_line() {
  local extra=dev
  [[ $1 != "$newest" ]] || extra+=,storage-tests,docs
  make_env "$1" "$extra"
}

# make_tools NAME: makes .build/env-NAME with the programs of constraints/tools/NAME.txt, by their hashes, and neither
# project. Nothing is built, because that would bring more programs. Sets $bin. Fails where they cannot be installed.
make_tools() {
  local pins=$root/constraints/tools/$1.txt python stamp
  bin=$build/env-$1/bin
  stamp=$(cksum <"$pins")
  [[ -f $bin/../stamp && $(<"$bin/../stamp") == "$stamp" ]] && return
  rm -rf "${bin%/bin}"
  python=$(find_python 10 14) || { echo "No Python 3.10 to 3.14 found." >&2; return 1; }
  "$python" -m venv "${bin%/bin}" &&
    "$bin/pip" install --quiet --quiet --only-binary :all: --require-hashes --requirement "$pins" >&2 &&
    echo "$stamp" >"$bin/../stamp"
}
