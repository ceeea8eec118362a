# Guests that share their cores, with each other and with carol, who polls. The file goes from alice to bob and back;
# alice starts again while she transfers; then it goes to bob once more, and both sleep; then to carol.
. /lib/unimux/base.sh
. /lib/unimux/lives.sh
. /lib/unimux/pair.sh

alice() {
    if [ "$(lives_before)" -eq 0 ]; then
        move_file || return
        unimux bw bob --size 1M --iters 100000000 > /tmp/bw 2>&1 &
        sleep 2
        say "starts again, in the middle of a transfer"
        reboot -f
    fi
    quietly unimux send /payload --to bob --verify --sleep &&
        quietly unimux send /payload --to carol --verify --operations 100 --sleep
}

bob() {
    move_file && unimux serve --once && quietly unimux recv --sleep
}

unimux devices && "$(argument name)"
