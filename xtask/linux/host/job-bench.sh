# Two tenants measure the engine, Soft-RoCE and TCP in one boot; KVM's exits are counted.
. /lib/unimux/pair.sh
pair_run bench
