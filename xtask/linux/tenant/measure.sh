# What the engine does for a tenant, and for a bare-metal guest, as metrics. Sourced.

# Each is measured so often, by turns, and the middle one counts.
rounds=5

# Each line: name, verb, operation, bytes, requests, and which number of the result, with its unit.
measure_list() {
    echo "write_lat_8b lat write 8 10000 p50_ns ns"
    echo "write_bw_64b bw write 64 50000 requests_per_second messages/s"
    echo "send_bw_64b bw send 64 50000 requests_per_second messages/s"
    echo "write_bw_1mib bw write 1M 200 mb_per_second MB/s"
}

# serve_measure: answers one client for each measurement.
serve_measure() {
    for _ in $(seq $((2 * rounds * $(measure_list | wc -l)))); do
        unimux serve --once > /tmp/served 2>&1 || cat /tmp/served
    done
}

# measure PEER WITNESS: this tenant measures to PEER, and so does WITNESS.
measure() {
    peer=$1
    measure_list | while read -r name verb operation size count field unit; do
        for _ in $(seq $rounds); do
            measure_once "unimux_$name" "$field" || return
            measure_once "partition_$name" "$field" --by "$2" || return
        done
        for of in unimux partition; do
            middle=$(sort -n "/tmp/${of}_$name" | sed -n "$((rounds / 2 + 1))p")
            echo "metric ${of}_$name $middle $unit"
        done
    done
}

# measure_once FILE FIELD [OPTION…]: adds a number of the result to the file.
measure_once() {
    file=$1 wanted=$2
    shift 2
    if ! unimux --json "$verb" "$peer" --op "$operation" --size "$size" --iters "$count" "$@" \
        > /tmp/measured 2>&1; then
        say "unimux $verb $* failed:"
        cat /tmp/measured
        return 1
    fi
    sed -n "s/.*\"$wanted\":\([0-9.e+-]*\).*/\1/p" /tmp/measured >> "/tmp/$file"
}
