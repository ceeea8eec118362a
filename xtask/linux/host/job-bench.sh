# Two tenants measure the engine, Soft-RoCE and TCP in one boot, beside carol, a bare-metal guest of Unimux's
# own, which has function 0; KVM's exits are counted.
. /lib/unimux/pair.sh
pair_run bench --peer carol=0
