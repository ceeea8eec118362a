# What the engine does for a tenant, as metrics. Sourced.

# Each line: name, verb, operation, bytes, requests.
measure_list() {
    echo "write_lat_8b lat write 8 10000"
    echo "send_bw_64b bw send 64 20000"
    echo "write_bw_64b bw write 64 20000"
    echo "write_bw_1mib bw write 1M 200"
}

# serve_measure: answers one client for each measurement.
serve_measure() {
    measure_list | while read -r _; do
        unimux serve --once --poll > /tmp/served 2>&1 || cat /tmp/served
    done
}

# measure PEER
measure() {
    measure_list | while read -r name verb operation size iterations; do
        if ! unimux --json "$verb" "$1" --op "$operation" --size "$size" --iters "$iterations" \
            > /tmp/measured 2>&1; then
            say "unimux $verb failed:"
            cat /tmp/measured
            return 1
        fi
        case $verb in
            lat)
                metric "$name" p50_ns ns
                metric "$name" p99_ns ns
                ;;
            bw)
                metric "$name" mb_per_second MB/s
                metric "$name" requests_per_second messages/s
                ;;
        esac
    done
}

# metric NAME FIELD UNIT: a number of the result as a metric.
metric() {
    value=$(sed -n "s/.*\"$2\":\([0-9.e+-]*\).*/\1/p" /tmp/measured)
    echo "metric unimux_$1_$2 $value $3"
}
