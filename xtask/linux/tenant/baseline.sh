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
    nice -n 19 "$@"
}

baseline_serve() {
    baseline_list | while read -r _ program bytes count; do
        polite "$program" -d rxe0 -x 1 -F -s "$bytes" -n "$count" > /tmp/served 2>&1 || cat /tmp/served
    done
    iperf3 --server --one-off > /dev/null
}

baseline_ask() {
    baseline_list | while read -r name program bytes count; do
        ask_perftest "$name" "$(address "$1")" "$program" "$bytes" "$count" || return
    done || return
    ask_tcp "$(address "$1")"
}

# ask_perftest NAME ADDRESS PROGRAM BYTES COUNT
ask_perftest() {
    for _ in $(seq 50); do
        if polite "$3" -d rxe0 -x 1 -F -s "$4" -n "$5" "$2" > /tmp/asked 2>&1; then
            perftest_metrics "$1" "$4" < /tmp/asked
            return
        fi
        sleep 0.5
    done
    say "$3 failed:"
    cat /tmp/asked
    return 1
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
        if iperf3 --client "$1" --time 3 --json > /tmp/asked 2>&1; then
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
