# Tenants: stock QEMU with KVM, memory on huge pages, consoles under their names. Sourced.

# Memory of a tenant, MiB: whole huge pages.
tenant_memory=${tenant_memory:-512}

# huge_pages COUNT: sets aside so many pages of 2 MiB.
huge_pages() {
    echo "$1" > /proc/sys/vm/nr_hugepages
    have=$(cat /proc/sys/vm/nr_hugepages)
    if [ "$have" -lt "$1" ]; then
        say "only $have of $1 huge pages: give the machine more memory"
        return 1
    fi
}

# tenant_start NAME CORE ARGUMENTS [OPTION…]: boots a tenant whose virtual CPU stays on CORE, with
# these words on its kernel's command line; OPTIONs are for QEMU.
tenant_start() {
    name=$1 core=$2 arguments=$3
    shift 3
    tenants=$((${tenants:-0} + 1))
    [ -p "/run/$name.keys" ] || mkfifo "/run/$name.keys"
    cat /tenant/initrd /tenant/payload > "/run/$name.initrd"
    {
        qemu-system-aarch64 -name "$name,debug-threads=on" -pidfile "/run/$name.pid" \
            -accel kvm -machine virt,gic-version=host -cpu host -smp 1 \
            -m "$tenant_memory" -nodefaults -display none -serial stdio -no-reboot \
            -kernel /tenant/kernel -initrd "/run/$name.initrd" \
            -append "console=ttyAMA0 quiet panic=-1 ipv6.disable=1 unimux.name=$name $arguments" \
            -netdev "tap,id=net,ifname=tap-$name,script=/lib/unimux/join-bridge.sh,downscript=no,vhost=on" \
            -device "virtio-net-pci,netdev=net,romfile=,mac=52:54:00:00:00:0$tenants" \
            "$@" <> "/run/$name.keys" 2>&1
        echo "unimux-qemu: $?"
    } | tenant_console "$name" &
    tenant_pin "$name" "$core"
}

# tenant_console NAME: keeps what the tenant says and shows it under its name, line by line.
tenant_console() {
    awk -v name="$1" -v file="/run/$1.log" '{
        sub(/\r$/, ""); print > file; fflush(file); print name "| " $0; fflush() }'
}

# tenant_pin NAME CORE: keeps the thread of a tenant's virtual CPU on a core.
tenant_pin() {
    for _ in $(seq 100); do
        for thread in /proc/"$(cat "/run/$1.pid" 2> /dev/null)"/task/*; do
            if grep -qs '^CPU 0/KVM' "$thread/comm"; then
                taskset -p "$(printf %x $((1 << $2)))" "${thread##*/}" > /dev/null
                return
            fi
        done
        sleep 0.1
    done
    say "the virtual CPU of $1 was not found"
    return 1
}

# tenant_said NAME PATTERN: whether a line of the tenant's console matches.
tenant_said() {
    grep -qsE "$2" "/run/$1.log"
}

# tenant_ask NAME COMMAND: has a tenant of job obey begin COMMAND.
tenant_ask() {
    tenant_answers "$1" > "/run/$1.asked"
    # One line, which ends a command of the shell there as well.
    echo "$2" | tr '\n' ';' > "/run/$1.keys"
    echo > "/run/$1.keys"
}

# tenant_answer NAME: waits until what the tenant was asked last is done, and returns its exit code; 99 if the
# tenant is gone, or does not answer for too long.
tenant_answer() {
    for _ in $(seq 1500); do
        tenant_said "$1" '^unimux-qemu: ' && return 99
        if [ "$(tenant_answers "$1")" -gt "$(cat "/run/$1.asked")" ]; then
            return "$(sed -n 's/^unimux-done: //p' "/run/$1.log" | tail -n 1)"
        fi
        sleep 0.2
    done
    say "$1 does not answer"
    return 99
}

# tenant_do NAME COMMAND: both.
tenant_do() {
    tenant_ask "$1" "$2" && tenant_answer "$1"
}

# tenant_answers NAME: prints how often it has answered.
tenant_answers() {
    grep -c '^unimux-done: ' "/run/$1.log"
}

# tenant_obeys NAME: waits until it does.
tenant_obeys() {
    until tenant_said "$1" '^unimux: obeys'; do
        tenant_said "$1" '^unimux-qemu: ' && return 1
        sleep 0.2
    done
}

# tenants_wait NAMES: waits until all are off, or one has failed; returns the code that its job ended
# with.
tenants_wait() {
    for name in "$@"; do
        until tenant_said "$name" '^unimux-qemu: '; do
            for other in "$@"; do
                tenant_failed "$other" && return "$(tenant_code "$other")"
            done
            sleep 0.2
        done
        tenant_failed "$name" && return "$(tenant_code "$name")"
    done
    return 0
}

tenant_failed() {
    tenant_said "$1" '^unimux-qemu: ' && [ "$(tenant_code "$1")" -ne 0 ]
}

# tenant_code NAME: prints what its job ended with; 1 if it did not say.
tenant_code() {
    code=$(sed -n 's/^unimux-status: //p' "/run/$1.log")
    echo "${code:-1}"
}

# tenant_ram: prints QEMU's options that put the tenant's memory on huge pages.
tenant_ram() {
    echo "-object memory-backend-file,id=ram,size=${tenant_memory}M,mem-path=/dev/hugepages,share=on,prealloc=on" \
        "-machine memory-backend=ram"
}
