# Soft-RoCE (perftest) and TCP (iperf3) between two tenants: what Unimux is compared with. Sourced.
# One server for each measurement, in the same order on both sides.
#
# perftest compares its clock with the time of day and gives up where an emulator's host is busy. So
# latencies are taken in ticks of the counter, whose frequency the kernel says, and rates from the
# counters of the RDMA device.

# Requests for latency: few, as Soft-RoCE in an emulator takes long.
latency_count=500
# Seconds that bandwidth is measured, and that perftest runs for it.
bandwidth_seconds=4
bandwidth_run=12
# perftest's largest packet on this network.
packet_bytes=1024

# Each line: name, program, bytes.
baseline_list() {
    echo "write_lat_8b ib_write_lat 8"
    echo "send_bw_64b ib_send_bw 64"
    echo "write_bw_64b ib_write_bw 64"
    echo "write_bw_1mib ib_write_bw 1048576"
}

# perftest PROGRAM BYTES [OPTION…]: runs it so that whatever else is ready goes first: it polls
# without end, and with one core Soft-RoCE's own work would wait for the next tick behind it.
perftest() {
    program=$1 bytes=$2
    shift 2
    case $program in
        *_lat) set -- -C -n $latency_count "$@" ;;
        *) set -- -D $bandwidth_run "$@" ;;
    esac
    chrt --idle 0 "$program" -d rxe0 -x "$(gid_index)" -F -s "$bytes" "$@" < /dev/null
}

# gid_index: prints the index of the identifier that has this tenant's IPv4 address in it.
gid_index() {
    cd /sys/class/infiniband/rxe0/ports/1/gids && grep -l '0000:ffff:0a00:' [0-9]* | head -n 1
}

baseline_serve() {
    baseline_list | while read -r _ program bytes; do
        perftest "$program" "$bytes" > /tmp/served 2>&1
    done
    # It may not notice that its client is off, who says whether all went well.
    timeout 60 iperf3 --server --one-off > /dev/null || true
}

# baseline_ask PEER
baseline_ask() {
    at=$(address "$1")
    baseline_list | while read -r name program bytes; do
        case $program in
            *_lat) ask_latency "$name" "$program" "$bytes" ;;
            *) ask_bandwidth "$name" "$program" "$bytes" ;;
        esac
        code=$?
        if [ $code -ne 0 ]; then
            say "$program failed:"
            cat /tmp/asked
            return $code
        fi
    done && ask_tcp
}

# ask_latency NAME PROGRAM BYTES: from the line of perftest's table that begins with BYTES: bytes, count,
# least, greatest, typical, average, deviation, 99 %.
ask_latency() {
    mhz=$(dmesg | sed -n 's/.*timer(s) running at \([0-9.]*\)MHz.*/\1/p')
    for _ in $(seq 100); do
        perftest "$2" "$3" "$at" > /tmp/asked 2>&1 && break
        # The server is not there yet.
        sleep 0.5
    done
    awk -v name="roce_$1" -v bytes="$3" -v mhz="$mhz" '$1 == bytes {
        print "metric " name "_us " $5 / mhz " us"
        print "metric " name "_p99_us " $8 / mhz " us"
        found = 1 }
        END { exit !found }' /tmp/asked
}

# ask_bandwidth NAME PROGRAM BYTES: rates from what the device sends while perftest runs.
ask_bandwidth() {
    idle=$(packets)
    perftest "$2" "$3" "$at" > /tmp/asked 2>&1 &
    tries=0
    until [ "$(packets)" -gt $((idle + 20)) ]; do
        sleep 0.2
        if ! kill -0 $! 2> /dev/null; then
            # The server is not there yet.
            tries=$((tries + 1))
            [ $tries -le 100 ] || return 1
            perftest "$2" "$3" "$at" > /tmp/asked 2>&1 &
        fi
    done
    sleep 1
    first=$(packets) since=$(cut -d' ' -f1 /proc/uptime)
    sleep $bandwidth_seconds
    last=$(packets) until=$(cut -d' ' -f1 /proc/uptime)
    wait $!
    awk -v name="roce_$1" -v bytes="$3" -v packets=$((last - first)) -v packet=$packet_bytes \
        -v seconds_from="$since" -v seconds_to="$until" 'BEGIN {
        each = bytes > packet ? bytes / packet : 1
        rate = packets / each / (seconds_to - seconds_from)
        print "metric " name "_mbps " rate * bytes / 1e6 " MB/s"
        print "metric " name "_rate " rate " messages/s" }'
}

# packets: prints how many the RDMA device has sent.
packets() {
    cat /sys/class/infiniband/rxe0/ports/1/hw_counters/sent_pkts
}

# ask_tcp: bytes that arrived, as the server told the client at the end.
ask_tcp() {
    for _ in $(seq 50); do
        # Its exit code does not say whether there is a result.
        iperf3 --client "$at" --time 3 --json > /tmp/asked 2>&1
        awk -F: '/"sum_received"/ { found = 1 }
            found && /"bits_per_second"/ && !said { said = 1
                printf "metric tcp_mbps %.1f MB/s\n", $2 / 8e6 }
            END { exit !said }' /tmp/asked && return
        sleep 0.5
    done
    say "iperf3 failed:"
    cat /tmp/asked
    return 1
}
