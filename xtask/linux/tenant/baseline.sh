# Soft-RoCE (perftest) and TCP (iperf3) between two tenants: what Unimux is compared with. Sourced.
# One server for each measurement, in the same order on both sides.

# Requests per measurement: few, as Soft-RoCE in an emulator takes long.
count_small=1000
count_large=50

# Each line: name, program, bytes, requests.
baseline_list() {
    echo "write_lat_8b ib_write_lat 8 $count_small"
    echo "send_bw_64b ib_send_bw 64 $count_small"
    echo "write_bw_64b ib_write_bw 64 $count_small"
    echo "write_bw_1mib ib_write_bw 1048576 $count_large"
}

# polite COMMAND…: runs it so that whatever else is ready goes first. perftest polls without end, and
# with one core Soft-RoCE's own work would wait for the next tick behind it.
polite() {
    chrt --idle 0 "$@"
}

# Where the server hears whether a measurement is to be done again.
verdict_port=7000
# So often at most.
attempts=4

baseline_serve() {
    baseline_list | while read -r _ program bytes count; do
        verdict=again
        while [ "$verdict" = again ]; do
            polite "$program" -d rxe0 -x 1 -F -s "$bytes" -n "$count" > /tmp/served 2>&1 < /dev/null
            verdict=$(nc -l -p $verdict_port < /dev/null)
        done
    done
    iperf3 --server --one-off > /dev/null
}

baseline_ask() {
    at=$(address "$1")
    baseline_list | while read -r name program bytes count; do
        attempt=1
        until ask_perftest "$name" "$program" "$bytes" "$count"; do
            if [ $attempt -eq $attempts ]; then
                say "$program failed:"
                cat /tmp/asked
                return 1
            fi
            attempt=$((attempt + 1))
            tell_verdict again
        done
        tell_verdict next
    done && ask_tcp
}

tell_verdict() {
    until echo "$1" | nc -w 2 "$at" $verdict_port; do
        sleep 0.2
    done
}

# ask_perftest NAME PROGRAM BYTES COUNT: once; fails if there is no number.
ask_perftest() {
    for _ in $(seq 50); do
        polite "$2" -d rxe0 -x 1 -F -s "$3" -n "$4" "$at" > /tmp/asked 2>&1 < /dev/null && break
        # The server is not there yet.
        sleep 0.5
    done
    perftest_metrics "$1" "$3" < /tmp/asked > /tmp/metrics
    # It compares its clock with the time of day, and says 0 or inf where a busy machine disturbed that.
    [ -s /tmp/metrics ] && ! grep -qE ' (0|inf|nan|-nan) ' /tmp/metrics && cat /tmp/metrics
}

# perftest_metrics NAME BYTES: metrics from the line of perftest's table that begins with BYTES.
# Latency: bytes count min max typical average deviation p99 p99.9 (us).
# Bandwidth: bytes count peak average (MB/s) rate (M/s).
perftest_metrics() {
    case $1 in
        *_lat_*) awk -v name="$1" -v bytes="$2" '$1 == bytes {
            print "metric roce_" name "_us " $5 " us"
            print "metric roce_" name "_p99_us " $8 " us" }' ;;
        *) awk -v name="$1" -v bytes="$2" '$1 == bytes {
            print "metric roce_" name "_mbps " $4 * 1.048576 " MB/s"
            print "metric roce_" name "_rate " $5 * 1000000 " messages/s" }' ;;
    esac
}

ask_tcp() {
    for _ in $(seq 50); do
        if iperf3 --client "$at" --time 3 --json > /tmp/asked 2>&1; then
            awk -F: '/"sum_received"/ { found = 1 } found && /"bits_per_second"/ {
                printf "metric tcp_mbps %.1f MB/s\n", $2 / 8e6; exit }' /tmp/asked
            return
        fi
        sleep 0.5
    done
    say "iperf3 failed:"
    cat /tmp/asked
    return 1
}
