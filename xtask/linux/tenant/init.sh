#!/bin/sh
# The first process of a tenant, or of a Linux guest: prepares its network if it has one, runs its job, powers
# off.
. /lib/unimux/base.sh
prepare
say "tenant up after $(cut -d' ' -f1 /proc/uptime) s"
. /lib/unimux/network.sh
[ ! -e /sys/class/net/eth0 ] || network_up
run_job
