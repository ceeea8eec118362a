# The network between the tenants, and Soft-RoCE on it. Sourced.

# address NAME: where a tenant is.
address() {
    case $1 in
        alice) echo 10.0.0.2 ;;
        bob) echo 10.0.0.3 ;;
        carol) echo 10.0.0.4 ;;
        *) echo 10.0.0.9 ;;
    esac
}

# network_up: brings this tenant's address up.
network_up() {
    ip addr add "$(address "$(argument name)")/24" dev eth0
    ip link set eth0 up
}

# soft_roce_up: makes an RDMA device of the network device.
soft_roce_up() {
    rdma link add rxe0 type rxe netdev eth0
    until grep -qs ACTIVE /sys/class/infiniband/rxe0/ports/1/state; do
        sleep 0.1
    done
}

# wait_for NAME: returns when the tenant answers.
wait_for() {
    for _ in $(seq 300); do
        ping -c 1 -W 1 "$(address "$1")" > /dev/null 2>&1 && return
        sleep 0.2
    done
    say "$1 does not answer"
    return 1
}
