# Two tenants move a file through the engine and check it; KVM's exits are counted meanwhile.
. /lib/unimux/pair.sh
pair_run pair
