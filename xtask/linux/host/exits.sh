# Exits of the tenants, by the host's own counters: KVM's trace event, counted by reason. Sourced.
#
# kvm_exit says why a guest was left: ret 0 for an interrupt of the host (its tick, another tenant's),
# 2 for a trap that the guest caused, with its class of exception (esr_ec; Arm ARM, ESR_ELx).
# The histogram is the kernel's (Documentation/trace/histogram.rst).

tracing=/sys/kernel/debug/tracing

# exits_on: begins to count.
exits_on() {
    echo 'hist:keys=ret,esr_ec' > $tracing/events/kvm/kvm_exit/trigger
    echo 'hist:keys=ipa.hex' > $tracing/events/kvm/kvm_guest_fault/trigger
}

# exits_now: prints how often each reason was counted: ret, esr_ec, count.
exits_now() {
    sed -n 's/^{ ret: *\([0-9-]*\), esr_ec: *\([0-9]*\) } hitcount: *\([0-9]*\).*/\1 \2 \3/p' \
        $tracing/events/kvm/kvm_exit/hist
}

# faults_now: prints how often each address was not mapped: address, "at", count.
faults_now() {
    sed -n 's/^{ ipa: *\([0-9a-f]*\) } hitcount: *\([0-9]*\).*/\1 at \2/p' \
        $tracing/events/kvm/kvm_guest_fault/hist
}

# exits_none: whether traps were counted, and none was found.
exits_none() {
    grep -qsx 'metric kvm_data_path_exits 0 exits' /run/exits.metrics && return
    say "the data path has exits, or they were not counted"
    return 1
}

# exits_watch NAME: counts between the lines of the tenant that open and close its window. The tenant
# keeps its core busy for a while after the first and before the second, without a word, so that
# what the console costs is outside.
exits_watch() {
    until tenant_said "$1" 'window opens'; do
        tenant_said "$1" '^unimux-qemu: ' && return 1
        sleep 0.1
    done
    # Its peer may still have something to say.
    sleep 1.5
    exits_now > /run/exits.first
    faults_now > /run/faults.first
    cp /run/exits.first /run/exits.now
    until tenant_said "$1" 'window closes'; do
        tenant_said "$1" '^unimux-qemu: ' && return 1
        # The last sample may be of the moment at which the window closed: the one before counts.
        mv /run/exits.now /run/exits.last
        exits_now > /run/exits.now
        sleep 0.3
    done
    faults_now > /run/faults.last
    exits_between /run/exits.first /run/exits.last | tee /run/exits.metrics
    # Where, until now: some may have come after the window.
    awk 'NR == FNR { before[$1] = $3; next } $3 != before[$1] {
        print "unimux: " $3 - before[$1] " faults at " $1 }' /run/faults.first /run/faults.last
}

# exits_between FIRST LAST: metrics of what was added, and the reasons of traps, if there are any.
exits_between() {
    awk '{ reason = $1 " " $2 }
        NR == FNR { before[reason] = $3; next }
        $1 == 0 { interrupts += $3 - before[reason]; next }
        # HVC is undefined at EL0, where the data path is: the kernel asked for entropy.
        $2 == 22 { hypercalls += $3 - before[reason]; next }
        $3 != before[reason] {
            traps += $3 - before[reason]
            print "unimux: " $3 - before[reason] " traps of exception class " $2 }
        END {
            print "metric kvm_data_path_exits " traps + 0 " exits"
            print "metric kvm_hypercalls_meanwhile " hypercalls + 0 " exits"
            print "metric kvm_interrupts_meanwhile " interrupts + 0 " exits" }' "$1" "$2"
}
