# Tenants that sleep where others poll: how much they run meanwhile, and how soon they are awake. Sourced.

# How long nobody asks, in seconds.
idle_seconds=5

# run_share PROCESS SECONDS: prints how much of so many seconds the process runs, in per cent (proc(5): utime
# and stime of /proc/PID/stat, in hundredths of a second).
run_share() {
    first=$(run_ticks "$1")
    sleep "$2"
    echo $((($(run_ticks "$1") - first) / $2))
}

run_ticks() {
    sed 's/.*) //' "/proc/$1/stat" | {
        read -r _ _ _ _ _ _ _ _ _ _ _ user system _
        echo $((user + system))
    }
}

# expect WHAT NUMBER TEST BOUND: says what was measured; fails if it is not as it should be.
expect() {
    say "$1: $2"
    [ "$2" "$3" "$4" ] && return
    say "that is not $3 $4"
    return 1
}

# field FILE NAME: prints a number of a result, whole.
field() {
    sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p" "$1"
}

# middle_ping PEER COUNT: prints what half of so many pings took at most, in microseconds.
middle_ping() {
    unimux --json ping "$1" --count "$2" > /tmp/pings || return
    sed 's/.*"ns":\[\([0-9,]*\)\].*/\1/; s/,/\n/g' /tmp/pings | sort -n | awk '
        { all[NR] = $1 / 1000 }
        END { print int(all[int((NR + 1) / 2)]) }'
}

# wakes_at_once PEER: whether a peer that serves asleep is awake before it looks by itself, a second after it fell
# asleep: pings come every 0.2 s, so those would take 0.8 s. Some may take as long where a core is busy.
wakes_at_once() {
    expect "to be woken took, us, half of the times" "$(middle_ping "$1" 30)" -lt 400000
}

# sleeps_well PEER: sleeps for each of some requests, and is woken by the host.
sleeps_well() {
    unimux --json lat "$1" --sleep --size 1M --iters 100 > /tmp/slept || return
    say "1 MiB, asleep: half within $(field /tmp/slept p50_ns) ns"
    expect "woken" "$(field /tmp/slept woken)" -ge 80 && expect "without an agent" "$(field /tmp/slept naps)" -eq 0
}

# sleep_and_wake: alice waits for a file asleep, and bob sends it, after having polled for comparison. Then bob
# sleeps and alice wakes him, and sleeps herself.
sleep_and_wake() {
    case $(argument name) in
        alice)
            unimux recv --sleep > /tmp/received 2> /tmp/said &
            server=$!
            sleep 1
            expect "asleep, per cent of the time" "$(run_share $server $idle_seconds)" -lt 20 || return
            wait $server || { cat /tmp/said; return 1; }
            cat /tmp/received /tmp/said
            wakes_at_once bob && sleeps_well bob && unimux bw bob --sleep --op send --size 64K --iters 2000
            ;;
        *)
            unimux serve --poll > /tmp/served 2>&1 &
            server=$!
            expect "polling, per cent of the time" "$(run_share $server $idle_seconds)" -gt 60 || return
            kill -9 $server
            sleep 3
            quietly unimux send /payload --to alice --verify --sleep || return
            for _ in 1 2; do
                unimux serve --once --sleep > /tmp/served 2>&1 || { cat /tmp/served; return 1; }
                cat /tmp/served
            done
            ;;
    esac
}
