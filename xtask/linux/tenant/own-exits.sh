# What operations cost a guest of Unimux's own in exits, as its function says. Sourced, after pair.sh.

# hammer_and_count: small operations. Exits are the kernel's timer's and its interrupts between cores: were they
# the operations', there would be more of them than there are operations.
hammer_and_count() {
    unimux --json hammer bob --operations "$operations" > /tmp/hammer || return
    exits=$(sed -n 's/.*"exits": *\([0-9]*\).*/\1/p' /tmp/hammer)
    timers=$(sed -n 's/.*"timer_exits": *\([0-9]*\).*/\1/p' /tmp/hammer)
    say "$exits exits, $timers of them for timers, over $operations operations"
    echo "metric exits_per_operation $(echo "$exits $timers $operations" | awk '{ print ($1 - $2) / $3 }') exits"
    [ "$((exits - timers))" -lt "$((operations / 100))" ]
}
