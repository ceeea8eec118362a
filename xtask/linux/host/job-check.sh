# What Unimux promises a host: EL2, and a physical function that answers, though nobody else's memory
# can be given away with it.
. /lib/unimux/base.sh

fail() {
    say "$*"
    exit 1
}

node=$(ls -d /proc/device-tree/reserved-memory/unimux-physical@*) || fail "there is no region"
region=0x${node##*@}
[ -f "$node/no-map" ] || fail "the region can be mapped by the kernel"
[ ! -d /proc/device-tree/chosen/unimux ] || fail "the scenario can be seen"
say "physical function at $region: $(tr '\0' ' ' < "$node/compatible")"

# word OFFSET [VALUE]: prints or stores a word of the region (unimux_abi::physical, ::control).
word() {
    devmem $((region + $1)) 64 ${2+$(($2))}
}

# wait_for OFFSET: prints the word there as soon as it is not zero.
wait_for() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        value=$(word "$1")
        [ $((value)) -eq 0 ] || break
        sleep 0.1
    done
    echo "$value"
}

count=0
# ask OPCODE ARGUMENT…: sends a command; sets status and result.
ask() {
    head=$((1 | $1 << 8 | count << 16)) place=$((0x1400 + 64 * count))
    shift
    for argument in "$@"; do
        place=$((place + 8))
        word $place "$argument"
    done
    word $((0x1400 + 64 * count)) $head
    word 0x10 $((2 + count))
    response=$((0x1c00 + 32 * count))
    status=$(($(wait_for $response) >> 16 & 0xffff)) result=$(($(word $((response + 8)))))
    count=$((count + 1))
}

# Attach: offer "UMUX" and version 1.0 on the first control page.
word 0x1000 0x1000058554d55
word 0x8 $((region + 0x1000))
word 0x10 1
[ $(($(wait_for 0x1040) & 0xffffffff)) -eq 1 ] || fail "the physical function does not answer"

create=64 destroy=69 list=72
say "commands are answered:"
ask $list $((region + 0x20000)) 8
say "  list: status $status, $result functions"
[ "$status $result" = "0 0" ] || fail "there is a function already"
# A page of the kernel's own: nothing is stored in it before the function is opened.
page=$(($(sed -n 's/-.*Kernel data$//p' /proc/iomem | sed 's/^ */0x/') & ~0xfff))
ask $create $page $((1 | 1 << 16)) $((1 | 1 << 16 | 1 << 32 | 1 << 48)) 16 7
function=$result
say "  create: status $status, function $function"
[ $status -eq 0 ] || fail "no function can be made"
ask $list $((region + 0x20000)) 8
[ "$status $result" = "0 1" ] || fail "the function is not in the list"
ask $destroy "$function"
say "  destroy: status $status"
[ $status -eq 0 ] || fail "the function cannot be destroyed"
others=$(ls -d /proc/device-tree/reserved-memory/unimux@*)
for node in $others; do
    ask $create "0x${node##*@}" $((1 | 1 << 16)) $((1 | 1 << 16 | 1 << 32 | 1 << 48)) 16 7
    say "  create in ${node##*/}: status $status"
    [ $status -ne 0 ] || fail "memory that is not the host's was given away"
done
exit 0
