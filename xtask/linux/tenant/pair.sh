# What a pair of tenants does through the engine: alice asks, bob serves. Sourced.
. /lib/unimux/memory.sh

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

# count_exits: small operations in a window that the host watches. Some before it: what programs take when
# they start is touched then, and is what is free first when they start again.
count_exits() {
    touch_memory
    case $(argument name) in
        alice)
            unimux hammer bob --operations 1000 > /tmp/hammer 2>&1 || { cat /tmp/hammer; return 1; }
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
            unimux serve --once --poll > /tmp/served 2>&1 || return
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
