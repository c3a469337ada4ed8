#!/bin/sh
# Builds Dockerfile.arm for linux/arm64 with buildah: no container engine, no registry.
#
# The base is made from Debian's archive and kept in the cache (ARG BASE takes another one); the wheels
# are fetched by the host's pip, checked against requirements.lock; the emulated part only installs them.
# Run as root (user-mode emulation and chroot isolation need it): `make image-arm`.
set -eu

SUITE=trixie             # Debian 13, Python 3.13
PYTHON_VERSION=3.13
BASE_AGE_DAYS_MAX=30     # an older base misses security updates and is made again
EPOCH=315532800          # 1980, the earliest time that a wheel can hold
IMAGE=localhost/edge-gateway-agent:arm64
BASE=localhost/debian-arm64:$SUITE

cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "make image-arm needs root (emulation, chroot): run it by sudo." >&2; exit 1; }
cache=${XDG_CACHE_HOME:-$HOME/.cache}/edge-gateway-agent
export STORAGE_DRIVER="${STORAGE_DRIVER:-overlay}"
mkdir -p "$cache"
work=$(mktemp -d)
container=
cleanup() {
    [ -z "$container" ] || buildah rm "$container" >/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

say() { echo "image-arm: $*"; }

install_tools() {
    .ci/need buildah=buildah crun=crun mmdebstrap=mmdebstrap arch-test=arch-test openssl=openssl
    arch-test arm64 >/dev/null && return # native, or emulated already
    .ci/need qemu-aarch64-static=qemu-user-static update-binfmts=binfmt-support
    [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
    update-binfmts --enable qemu-aarch64
    arch-test arm64 >/dev/null || {
        echo "arm64 programs do not run here: the kernel needs binfmt_misc with qemu-aarch64 registered." >&2
        exit 1
    }
}

# The stand-in for debian:trixie-slim: the same packages, from the archive itself.
make_base() {
    tar=$cache/base-$SUITE-arm64.tar
    if [ -z "$(find "$cache" -name "${tar##*/}" -mtime -$BASE_AGE_DAYS_MAX)" ]; then
        say "making the base from Debian's archive (6 minutes on two cores)"
        mmdebstrap --quiet --variant=minbase --architectures=arm64 --mode=root --format=tar \
            --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
            --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
            "$SUITE" "$tar.new"
        mv "$tar.new" "$tar"
    elif buildah inspect --type image "$BASE" >/dev/null 2>&1; then
        return 0
    fi
    container=$(buildah from --arch arm64 scratch)
    buildah add --quiet "$container" "$tar" / >/dev/null
    buildah config --arch arm64 --cmd /bin/sh "$container"
    buildah commit --quiet --rm "$container" "$BASE" >/dev/null
    container=
}

# glibc of Debian 13 is 2.41; 2.34 is the newest any of our wheels asks for.
collect_wheels() {
    say "fetching the wheels for arm64"
    mkdir "$work/wheels" "$work/agent"
    set --
    for glibc in 34 31 28 27 26 24 17; do set -- "$@" --platform "manylinux_2_${glibc}_aarch64"; done
    .venv/bin/pip download --quiet --require-hashes --requirement requirements.lock --dest "$work/wheels" \
        --only-binary=:all: --no-deps --python-version "$PYTHON_VERSION" --implementation cp "$@"
    # From a copy of what git tracks: a build in place would pick up leftovers of earlier builds.
    git -c "safe.directory=*" ls-files -z --cached --others --exclude-standard | xargs -0 -r sh -c '
        for file; do [ ! -f "$file" ] || printf "%s\0" "$file"; done' sh |
        tar --create --null --files-from=- | tar --extract --directory "$work" --one-top-level=source
    SOURCE_DATE_EPOCH=$EPOCH .venv/bin/pip wheel --quiet --no-deps --no-build-isolation \
        --wheel-dir "$work/agent" "$work/source"
}

build() {
    say "building (the emulated part takes minutes)"
    cp Dockerfile.arm requirements.lock "$work"
    find "$work" -exec touch --date "@$EPOCH" {} + # equal content, equal layers: a second run is short
    buildah bud --isolation chroot --arch arm64 --pull-never --format docker --layers \
        --build-arg "BASE=$BASE" --tag "$IMAGE" --file "$work/Dockerfile.arm" "$work"
}

# The example's configuration with keys that are thrown away: what the check wants to see beside it.
make_example() {
    cp -r image/example "$work/example"
    (
        cd "$work/example"
        umask 077
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 1 -subj /CN=example-1 \
            -keyout gateway.key -out gateway.pem 2>/dev/null
        cp gateway.pem broker-ca.pem
        openssl pkey -in gateway.key -pubout -out backend.pub.pem
    )
}

# What is in the image must run: the configuration check on an example, as the image's own user.
try_out() {
    container=$(buildah from --arch arm64 --pull-never "$IMAGE")
    buildah copy --quiet --chown 10001:10001 "$container" "$work/example" /etc/edge-agent >/dev/null
    say "edge-agent check-config inside the image:"
    in_image edge-agent check-config /etc/edge-agent/gateway.toml
    in_image sh -c 'echo "image-arm: architecture $(uname -m), uid $(id -u), $(python3 --version)"'
    say "built $IMAGE"
}

in_image() { buildah run --isolation chroot "$container" -- "$@"; }

install_tools
make_base
collect_wheels
build
make_example
try_out
