# Memory that nobody has: touched, and watched. Sourced.

# fill_free_memory LEFT: fills all free memory but LEFT MiB with zeros, in a file; prints its length in MiB.
fill_free_memory() {
    free=$(sed -n 's/^MemFree: *\([0-9]*\) kB/\1/p' /proc/meminfo)
    mib=$((free / 1024 - $1))
    mkdir -p /tmp/zeros && mount -t tmpfs -o size=100% none /tmp/zeros || return
    dd if=/dev/zero of=/tmp/zeros/all bs=1M count=$mib 2> /dev/null
    echo $mib
}

# touch_memory: writes to nearly all memory that is free, once: KVM maps a block of memory when it is first
# touched, which is an exit of its own.
touch_memory() {
    fill_free_memory 12 > /dev/null || return
    umount /tmp/zeros
}

# nobody_writes_free_memory: whether what is in free memory stays there.
nobody_writes_free_memory() {
    mib=$(fill_free_memory 24) || return
    sleep 1
    written=$(tr -d '\0' < /tmp/zeros/all | wc -c)
    umount /tmp/zeros
    say "$written bytes of $mib MiB were written by somebody"
    [ "$written" -eq 0 ]
}

# free_pages: prints how many huge pages nobody has.
free_pages() {
    sed -n 's/^HugePages_Free: *//p' /proc/meminfo
}
