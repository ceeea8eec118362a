# Guests of Unimux's own stage 2. The file goes from alice to bob and back, then small operations with exits
# counted; then alice starts again while she transfers, and all of it once more. In the end both sleep instead of
# polling, and alice counts what that costs, by either interrupt of her function.
. /lib/unimux/base.sh
. /lib/unimux/lives.sh
. /lib/unimux/pair.sh
. /lib/unimux/own-exits.sh

alice() {
    move_file && hammer_and_count || return
    if [ "$(lives_before)" -eq 0 ]; then
        unimux bw bob --size 1M --iters 100000000 > /tmp/bw 2>&1 &
        sleep 2
        say "starts again, in the middle of a transfer"
        reboot -f
    fi
    sleep_and_wake && exits_asleep && expect "exits" "$all" -le $((2 * interrupts)) || return
    say "without the module gpio_keys, by INTA:"
    rmmod gpio_keys && sleeps_well bob && exits_asleep
}

bob() {
    for life in first second; do
        move_file && unimux serve --once || return
        [ $life = second ] || unimux serve --once || return
    done
    sleep_and_wake && unimux serve --once --sleep
}

lspci -n -v 2> /dev/null
unimux devices && "$(argument name)"
