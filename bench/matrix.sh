#!/usr/bin/env bash
# Builds the package, and runs it where nothing else is: by every Python that is found, with the lowest and the newest
# Numba and NumPy that pyproject.toml allows, of which all must draw the same bytes; and every extra at its lowest
# versions, by the tests that touch it. Some 3 minutes of CPU an environment, most of them to compile: for the night.
#
#   bash bench/matrix.sh                    in a folder that goes when it ends, or in one that is named
#   PYTHONS="python3.11 /opt/python3.14/bin/python" bash bench/matrix.sh FOLDER
set -uo pipefail
cd "$(dirname "$0")/.."
read -ra pythons <<<"${PYTHONS:-python3.11 python3.12 python3.13 python3.14}"
quick="parity exact sampling results io cache" # tests/test_NAME.py: of all that is lowest, and of all that is newest
declare -A touching=([plot]="plots correlation_plots" [tqdm]="running" [xarray]="integrations" [sklearn]="sklearn"
    [free-energy]="free_energy" [dimod]="dimod as_model" [networkx]="as_model"
    [dask]="campaign_workers" [docs]="reference")
if (($#)); then mkdir -p "$1" && work=$(realpath "$1"); else work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT; fi
unset PYTHONPATH
TIMEFORMAT="   %U s of CPU"
ran=() skipped=() failed=() lowest="" newest=""

# step NAME COMMAND ...: what the command says is shown where it fails
step() {
    echo "== $1"
    if time "${@:2}" >"$work/log" 2>&1; then
        ran+=("$1")
    else
        failed+=("$1") && tail -n 40 "$work/log"
        return 1
    fi
}

# make ENVIRONMENT PYTHON RESOLUTION ARGUMENT ...: an environment of the wheel, its dependencies and what is named
make() {
    "$uv" venv -q --clear --python "$2" "$1" &&
        "$uv" pip install -q --python "$1" --only-binary :all: --resolution "$3" -r pyproject.toml "${@:4}" &&
        "$uv" pip install -q --python "$1" --no-deps "$work"/dist/*.whl
}

# tests ENVIRONMENT NAME ...: tests/test_NAME.py of the source distribution; some must run
tests() {
    (cd "$work/source" && "$1/bin/python" -m pytest -q -p no:cacheprovider $(printf "tests/test_%s.py " "${@:2}")) |
        tee "$work/told" && grep -q " passed" "$work/told"
}

# same ENDING: every environment has left the same file
same() {
    local files=("$work"/*."$1") file
    for file in "${files[@]:1}"; do diff "${files[0]}" "$file" || return 1; done
}

rm -rf "$work"/{dist,source,*.bytes,*.table}
python3 -m venv "$work/tools" && "$work/tools/bin/pip" install -q build twine uv || exit 1
uv=$work/tools/bin/uv
step "build" "$work/tools/bin/python" -m build -o "$work/dist" . || exit 1
step "twine check" "$work/tools/bin/twine" check --strict "$work"/dist/* || exit 1
mkdir "$work/source" && tar xzf "$work"/dist/*.tar.gz -C "$work/source" --strip-components 1 && cd "$work/source" || exit 1

for python in "${pythons[@]}"; do
    if ! version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); then
        skipped+=("$python: not found")
        continue
    fi
    for bounds in lowest newest; do
        name=$version-$bounds env=$work/$version-$bounds
        export NUMBA_CACHE_DIR=$work/cache-$name
        [[ $bounds == lowest ]] && resolution=lowest-direct || resolution=highest
        if ! step "$name: install" make "$env" "$python" $resolution; then
            if grep -q "No solution found" "$work/log"; then # no fault of the package, but of its bounds or nobody's
                unset 'failed[-1]' && skipped+=("$name: there are no wheels")
            fi
            continue
        fi
        "$uv" pip list -q --python "$env" | grep -E "^(numba|numpy|llvmlite) " | xargs echo "  "
        mkdir -p "$env/empty"
        step "$name: run ising2d" env -C "$env/empty" "$env/bin/python" -m fastgibbs run ising2d --restart
        step "$name: verify" env -C "$env/empty" "$env/bin/python" -m fastgibbs verify &&
            grep -v " s)$" "$work/log" | grep -v compiled >"$work/$name.table"
        step "$name: digests" "$env/bin/python" bench/digests.py && cp "$work/log" "$work/$name.bytes"
        [[ $bounds == lowest ]] && lowest=${lowest:-$python} || newest=$python
    done
done
if [[ -z $lowest || -z $newest ]]; then
    echo "no environment could be made: $(printf "%s; " "${skipped[@]}" "${failed[@]}")"
    exit 1
fi
step "the same table of verify everywhere" same table
step "the same draws everywhere" same bytes

for corner in "lowest $lowest lowest-direct" "newest $newest highest"; do
    read -r bounds python resolution <<<"$corner"
    export NUMBA_CACHE_DIR=$work/cache-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-$bounds
    step "$bounds: install [dev]" make "$work/dev-$bounds" "$python" "$resolution" --extra dev &&
        step "$bounds: $quick" tests "$work/dev-$bounds" $quick
done
for extra in $("$work/tools/bin/python" -c 'import tomllib; print(
    *tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"])'); do
    step "[$extra] resolves" "$uv" pip compile -q --python "$newest" --extra "$extra" pyproject.toml
    [[ $extra == bench || $extra == dev ]] && continue
    export NUMBA_CACHE_DIR=$work/cache-$("$lowest" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-lowest
    step "[$extra] at its lowest: install" \
        make "$work/extra-$extra" "$lowest" lowest-direct --extra "$extra" "pytest>=8" "scipy>=1.13" &&
        step "[$extra] at its lowest: ${touching[$extra]:-no tests are named for it}" \
            tests "$work/extra-$extra" ${touching[$extra]:-}
done

((${#skipped[@]})) && printf "skipped: %s\n" "${skipped[@]}"
((${#failed[@]})) && printf "FAILED: %s\n" "${failed[@]}"
echo "${#ran[@]} passed, ${#failed[@]} failed, ${#skipped[@]} skipped"
((${#failed[@]} == 0))
