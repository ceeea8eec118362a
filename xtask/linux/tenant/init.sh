#!/bin/sh
# The first process of a tenant: prepares its network and Soft-RoCE, runs its job, powers off.
. /lib/unimux/base.sh
prepare
say "tenant up after $(cut -d' ' -f1 /proc/uptime) s"
. /lib/unimux/network.sh
network_up
run_job
