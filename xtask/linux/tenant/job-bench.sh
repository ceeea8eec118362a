# Measures the engine, then Soft-RoCE and TCP over virtio-net, between the same tenants.
. /lib/unimux/base.sh
. /lib/unimux/network.sh
. /lib/unimux/pair.sh
. /lib/unimux/measure.sh
. /lib/unimux/baseline.sh

# The first program that uses a function enables its PCI device, which exits.
unimux info > /dev/null || exit

case $(argument name) in
    alice) count_exits && measure bob carol && soft_roce_up && wait_for bob && baseline_ask bob ;;
    *) count_exits && serve_measure && soft_roce_up && baseline_serve ;;
esac
