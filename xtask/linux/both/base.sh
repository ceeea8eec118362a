# What hosts and tenants do at boot, and how their jobs end. Sourced; needs busybox alone.

# argument NAME [DEFAULT]: prints the value of unimux.NAME= of the kernel's command line.
argument() {
    for word in $(cat /proc/cmdline); do
        case $word in
            "unimux.$1="*) echo "${word#*=}"; return ;;
        esac
    done
    echo "${2-}"
}

# prepare: the file systems and the modules of this image, and the programs of busybox.
prepare() {
    /bin/busybox --install -s /bin
    export PATH=/bin:/usr/bin HOME=/tmp
    mount -t devtmpfs dev /dev
    mount -t proc proc /proc
    mount -t sysfs sys /sys
    mount -t debugfs debug /sys/kernel/debug
    mkdir -p /dev/hugepages
    mount -t hugetlbfs -o pagesize=2M huge /dev/hugepages
    while read -r module; do
        insmod "$module" || say "cannot load $module"
    done < /lib/modules/list
    ip link set lo up
}

# say WORDS: a line of the console that is no program's.
say() {
    echo "unimux: $*"
}

# finish CODE: says how it ended, and ends the machine. What waits for it reads this line.
finish() {
    echo "unimux-status: $1"
    sync
    sleep 0.2
    poweroff -f
}

# run_job: runs the job that the command line names, with its arguments; its exit code is the end.
run_job() {
    job=/lib/unimux/job-$(argument job).sh
    if [ ! -f "$job" ]; then
        say "there is no job '$(argument job)': unimux.job= of the kernel's command line names one"
        say "jobs: $(cd /lib/unimux && echo job-*.sh)"
        finish 2
    fi
    sh "$job"
    finish $?
}
