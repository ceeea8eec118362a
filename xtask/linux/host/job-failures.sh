# What goes wrong on a host, with four tenants: alice hammers bob throughout and checks each operation, while
# carol and dave, their programs and machines, the agent and the physical function suffer.
tenant_memory=256
. /lib/unimux/memory.sh
. /lib/unimux/pair.sh

# holds CLAIM COMMAND…: says whether it holds; the job ends if it does not.
holds() {
    claim=$1
    shift
    if "$@"; then
        say "holds: $claim"
    else
        say "DOES NOT HOLD: $claim"
        exit 1
    fi
}

fails() {
    ! "$@"
}

# eventually COMMAND…: whether it holds before long.
eventually() {
    for _ in $(seq 50); do
        "$@" && return
        sleep 0.2
    done
    return 1
}

# has_qemu NAME PROCESS: whether the agent knows that QEMU, or none if it is `-`.
has_qemu() {
    [ "$(unimux vm list | awk -v name="$1" '$1 == name { print $8 }')" = "$2" ]
}

# is_open NAME: whether its function waits for a program.
is_open() {
    [ "$(unimux vm list | awk -v name="$1" '$1 == name { print $3 }')" = open ]
}

# boots NAME CORE: starts a tenant that obeys.
boots() {
    rm -f "/run/$1.log"
    tenant_start "$1" "$2" "unimux.job=obey" $(unimux vm qemu-args "$1")
}

# is_up NAME: waits until it obeys, and the agent has seen its QEMU.
is_up() {
    tenant_obeys "$1" && eventually has_qemu "$1" "$(cat "/run/$1.pid")"
}

# streams NAME: has it write to dave for longer than anybody wants to wait.
streams() {
    tenant_ask "$1" 'breaks unimux bw dave --size 1M --iters 1000000'
    sleep 2
}

# reaches NAME: whether it moves something to dave.
reaches() {
    tenant_do "$1" 'unimux bw dave --size 1M --iters 20'
}

# limited LEAST MOST FIELD SIZE REQUESTS: whether carol's rate is between.
limited() {
    tenant_do carol "rate $3 unimux --json bw dave --size $4 --iters $5" || return
    rate=$(sed -n 's/^rate //p' /run/carol.log | tail -n 1)
    [ "$rate" -ge "$1" ] && [ "$rate" -le "$2" ]
}

# moves_small_pages: a file from carol to dave, neither of whom has huge pages.
moves_small_pages() {
    for name in carol dave; do
        tenant_do $name 'stop_serving; without_huge_pages' || return
    done
    tenant_do dave 'begin file unimux recv' || return
    tenant_do carol 'head -c 1000000 /payload > /tmp/part
        unimux send /tmp/part --to dave --verify --operations 100' || return
    tenant_do dave 'end file && serve'
}

# agent_dies: kills the agent, whatever it does.
agent_dies() {
    kill -9 $(pidof unimux)
    until [ -e /run/agent.ended ]; do
        sleep 0.1
    done
    rm /run/agent.ended
}

# survives_its_agent NAME: whether the tenant's transfers do, and the next agent knows it.
survives_its_agent() {
    tenant_ask "$1" 'unimux bw dave --size 1M --iters 3000'
    sleep 1
    agent_dies
    agent_up && tenant_answer "$1" && has_qemu "$1" "$(cat "/run/$1.pid")"
}

# sleep_well: whether carol sleeps and is woken, and so is dave, who serves her.
sleep_well() {
    tenant_do carol 'sleeps_well dave && sleeps_well dave' && tenant_do dave server_was_woken
}

# garbage: in the physical function's page and commands (unimux_abi::physical, ::control), while nobody minds
# it; the next agent must get along with it.
garbage() {
    agent_dies
    node=$(ls -d /proc/device-tree/reserved-memory/unimux-physical@*)
    region=0x${node##*@}
    for value in 0xffffffffffffffff 0x4501 0x123456789abcdef; do
        for offset in $(seq 4096 8 4152) $(seq 5120 8 5368) $(seq 0 8 120); do
            devmem $((region + offset)) 64 $value
        done
    done
    agent_up
}

# memory_of_the_dead: makes a machine of the memory that another one had, and looks whether anybody still
# writes it.
memory_of_the_dead() {
    eventually has_pages $((tenant_memory / 2 + 1)) || return
    unimux vm create erin --memory "${tenant_memory}M" > /dev/null || return
    # None were added: these are the same.
    [ "$(cat /proc/sys/vm/nr_hugepages)" -eq $pages ] || return
    boots erin 0 && is_up erin && tenant_do erin nobody_writes_free_memory
}

# has_pages COUNT: whether so many huge pages are free.
has_pages() {
    [ "$(free_pages)" -ge "$1" ]
}

# As many as four machines and their doorbells need.
pages=$((4 * tenant_memory / 2 + 4))
huge_pages $pages && agent_up || exit
for name in alice bob carol dave; do
    unimux vm create $name --memory "${tenant_memory}M" > /dev/null || exit
done
boots alice 1 && boots bob 2 && boots carol 0 && boots dave 2 || exit
is_up alice && is_up bob && is_up carol && is_up dave || exit
tenant_do bob serve && tenant_do dave serve && tenant_do alice 'begin hammer hammer_until_told bob' || exit

holds "carol reaches dave" reaches carol
holds "her program is killed in flight" \
    tenant_do carol 'killed_in_flight 2 unimux bw dave --size 1M --iters 1000000'
holds "and started again" reaches carol

streams carol
holds "dave's server is killed while it is written to; his next program has its memory alone" \
    tenant_do dave 'serve; sleep 1; nobody_writes_free_memory'
holds "who wrote to it is told" tenant_answer carol
holds "the next server serves" reaches carol

holds "the agent is killed, and transfers go on" survives_its_agent carol

tenant_do dave 'serve --sleep' || exit
holds "a server that sleeps is woken" tenant_do carol 'wakes_at_once dave'
tenant_do carol storms_its_port || exit
holds "also while another machine storms its wake port" tenant_do carol 'wakes_at_once dave'
agent_dies
holds "without an agent it looks by itself" tenant_do carol 'wakes_at_once dave'
agent_up && tenant_do carol 'kill -9 $(pidof dd)' || exit
holds "the next agent wakes who slept, and who sleeps now" sleep_well
tenant_do dave serve || exit

unimux vm limit carol --bytes-per-second 20M > /dev/null || exit
holds "20 MiB a second are not exceeded, and most of it is had" limited 15 22 mb_per_second 256K 200
unimux vm limit carol --requests-per-second 2000 > /dev/null || exit
holds "2000 requests a second are not exceeded, and most of them are had" limited 1500 2100 requests_per_second 64 4000
unimux vm limit carol > /dev/null || exit
holds "without a limit it is faster" limited 2101 100000000 requests_per_second 64 20000

holds "a file goes from small pages to small pages" moves_small_pages

streams carol
kill -9 "$(cat /run/carol.pid)"
holds "QEMU is killed, and the function taken back" eventually is_open carol
boots carol 0 && is_up carol || exit
holds "the machine starts again" reaches carol
holds "and is woken when it sleeps" tenant_do carol 'sleeps_well dave'

streams carol
holds "a machine that runs is not destroyed" fails unimux vm destroy carol
holds "but by force it is, under load" unimux vm destroy carol --force
kill -9 "$(cat /run/carol.pid)"
holds "another machine has its memory, alone" memory_of_the_dead
holds "and its function" reaches erin

holds "an agent gets along with garbage in the physical function" garbage
holds "and knows all machines" is_up dave

holds "meanwhile alice reached bob, and no operation was lost" \
    tenant_do alice 'touch /tmp/enough; end hammer'
exit 0
