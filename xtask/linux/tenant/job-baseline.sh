# Measures Soft-RoCE and TCP between alice, who asks, and bob, who serves.
. /lib/unimux/base.sh
. /lib/unimux/network.sh
. /lib/unimux/baseline.sh

soft_roce_up
case $(argument name) in
    alice) wait_for bob && baseline_ask bob ;;
    *) baseline_serve ;;
esac
