# Two tenants move a file through the engine and check it; then KVM's exits are counted, and there must be
# none on the data path.
. /lib/unimux/pair.sh
pair_run pair && exits_none
