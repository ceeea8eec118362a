# What a host may ask a tenant of job obey for, beside the programs that it has. Sourced.
. /lib/unimux/memory.sh
. /lib/unimux/sleep.sh

# begin NAME COMMAND…: begins something that takes longer than the host wants to wait.
begin() {
    it=/tmp/$1
    shift
    rm -f "$it.code"
    {
        "$@" > "$it.said" 2>&1
        echo $? > "$it.code"
    } &
}

# end NAME: waits for its end, and shows what it said.
end() {
    until [ -e "/tmp/$1.code" ]; do
        sleep 0.2
    done
    cat "/tmp/$1.said"
    return "$(cat "/tmp/$1.code")"
}

# serve [OPTION…]: starts a server, after the death of the one before.
serve() {
    stop_serving
    unimux serve "$@" > /tmp/served 2>&1 &
    echo $! > /tmp/server
}

# stop_serving: kills the server, if there is one, without a chance to clean up.
stop_serving() {
    [ ! -e /tmp/server ] || kill -9 "$(cat /tmp/server)"
    rm -f /tmp/server
}

# killed_in_flight SECONDS COMMAND…: kills a program that would take longer.
killed_in_flight() {
    seconds=$1
    shift
    "$@" > /tmp/killed 2>&1 &
    sleep "$seconds"
    # It fails if the program has ended before.
    kill -9 $! || { cat /tmp/killed; return 1; }
}

# breaks COMMAND…: whether the program fails by itself, in time.
breaks() {
    timeout 60 "$@" > /tmp/broken 2>&1
    code=$?
    cat /tmp/broken
    # 143: it had to be ended.
    [ $code -ne 0 ] && [ $code -ne 143 ]
}

# hammer_until_told PEER: small operations, each checked, until the file /tmp/enough is there.
hammer_until_told() {
    rounds=0
    until [ -e /tmp/enough ]; do
        unimux hammer "$1" --operations 20000 2>&1 || return
        rounds=$((rounds + 1))
    done
    echo "$rounds rounds"
}

# rate FIELD COMMAND…: prints a number of the result of a measurement, whole.
rate() {
    field=$1
    shift
    "$@" > /tmp/measured 2>&1 || { cat /tmp/measured; return 1; }
    sed -n "s/.*\"$field\":\([0-9]*\).*/rate \1/p" /tmp/measured
}

# without_huge_pages: as in a kernel that has none.
without_huge_pages() {
    umount /dev/hugepages && mount -t tmpfs none /sys/kernel/mm/hugepages || return
    mkdir -p /dev/shm && mount -t tmpfs none /dev/shm || return
    echo 0 > /proc/sys/vm/compact_unevictable_allowed
    unimux --json info | grep -q '"huge_pages":false'
}

# storms_its_port: writes to this machine's wake port without end, and never reads.
storms_its_port() {
    port=$(grep -l unimux.wake /sys/class/virtio-ports/*/name) || return
    port=${port%/name}
    begin storm dd if=/dev/zero of="/dev/${port##*/}" bs=4096
}

# server_was_woken: whether the server was, for its last visitor, and did not look by itself for want of an agent.
server_was_woken() {
    awk '/^woken/ { before = woken; woken = $2; napped = naps; naps = $9; print }
        END { exit !(woken > before && naps == napped) }' /tmp/served
}
