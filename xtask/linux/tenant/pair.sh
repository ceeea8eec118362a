# What a pair of tenants does through the engine: alice asks, bob serves. Sourced.

# Small operations while exits are counted.
operations=100000

# move_file: alice sends the payload to bob, who computes its digest; alice reads it back.
move_file() {
    case $(argument name) in
        alice) quietly unimux send /payload --to bob --verify --operations 1000 ;;
        *) quietly unimux recv ;;
    esac
}

# quietly COMMAND…: without its progress bars; what it says beside its result is shown if it fails.
quietly() {
    "$@" 2> /tmp/said && return
    code=$?
    cat /tmp/said
    return $code
}

# touch_memory: writes to nearly all memory that is free, once: KVM maps a block of memory when it is first
# touched, which is an exit of its own.
touch_memory() {
    free=$(sed -n 's/^MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo)
    mkdir -p /tmp/memory && mount -t tmpfs -o size=100% none /tmp/memory || return
    dd if=/dev/zero of=/tmp/memory/all bs=1M count=$((free / 1024 - 16)) 2> /dev/null
    umount /tmp/memory
}

# count_exits: small operations in a window that the host watches.
count_exits() {
    touch_memory
    case $(argument name) in
        alice)
            echo "window opens"
            stay_busy 3
            unimux hammer bob --operations "$operations" > /tmp/hammer 2>&1
            code=$?
            stay_busy 2
            echo "window closes"
            cat /tmp/hammer
            return $code
            ;;
        *)
            # Silent until the window is closed: each letter of the console is an exit.
            unimux serve --once --poll > /tmp/served 2>&1
            code=$?
            stay_busy 5
            return $code
            ;;
    esac
}

# stay_busy SECONDS: keeps the core from sleeping, which would be an exit.
stay_busy() {
    read -r now _ < /proc/uptime
    end=$((${now%.*} + $1 + 1))
    while [ "${now%.*}" -lt "$end" ]; do
        read -r now _ < /proc/uptime
    done
}
