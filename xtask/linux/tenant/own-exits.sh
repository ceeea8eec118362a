# What polling and sleeping cost a guest of Unimux's own in exits, as its function says. Sourced, after pair.sh.
. /lib/unimux/sleep.sh

# hammer_and_count: small operations. Exits are the kernel's timer's and its interrupts between cores: were they
# the operations', there would be more of them than there are operations. Who polls has no interrupt of the function.
hammer_and_count() {
    unimux --json hammer bob --operations "$operations" > /tmp/hammer || return
    all=$(other_exits /tmp/hammer)
    say "$(field /tmp/hammer exits) exits, all but $all of them for timers, over $operations operations"
    echo "metric exits_per_operation $(echo "$all $operations" | awk '{ print $1 / $2 }') exits"
    [ "$all" -lt "$((operations / 100))" ] &&
        expect "interrupts of the function" "$(field /tmp/hammer interrupt_exits)" -eq 0
}

# exits_asleep: says what an interrupt costs who sleeps, the interrupt itself included, after sleeps_well.
exits_asleep() {
    interrupts=$(field /tmp/slept interrupt_exits)
    all=$(other_exits /tmp/slept)
    expect "interrupts of the function" "$interrupts" -ge 80 || return
    each=$(echo "$all $interrupts" | awk '{ printf "%.2f", $1 / $2 }')
    say "$all exits but for timers: $each for each interrupt"
    echo "metric exits_per_interrupt $each exits"
}

# other_exits FILE: prints the exits of a result that are not the kernel's timer's.
other_exits() {
    echo $(($(field "$1" exits) - $(field "$1" timer_exits)))
}
