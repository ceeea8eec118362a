# A tenant, alice, and carol, a bare-metal guest of Unimux's own, which has function 0.
. /lib/unimux/pair.sh

huge_pages $((tenant_memory / 2 + 1)) && agent_up --peer carol=0 || exit
unimux vm create alice --memory "${tenant_memory}M" || exit
tenant_start alice 1 "unimux.job=mixed" $(unimux vm qemu-args alice) || exit
tenants_wait alice
