#!/bin/sh
# The first process of a KVM host: prepares what tenants need, runs its job, powers off.
. /lib/unimux/base.sh
prepare
say "host up after $(cut -d' ' -f1 /proc/uptime) s on $(nproc) cores"
if [ ! -c /dev/kvm ]; then
    say "no /dev/kvm: this kernel was not entered at EL2"
    finish 3
fi
ip link add br0 type bridge
ip addr add 10.0.0.1/24 dev br0
ip link set br0 up
run_job
