# Two tenants measure what they have without Unimux: Soft-RoCE and TCP over virtio-net.
. /lib/unimux/base.sh
. /lib/unimux/tenants.sh

huge_pages $((2 * tenant_memory / 2)) || exit
tenant_start alice 1 "unimux.job=baseline unimux.peer=bob" $(tenant_ram)
tenant_start bob 2 "unimux.job=baseline unimux.peer=alice" $(tenant_ram)
tenants_wait alice bob
