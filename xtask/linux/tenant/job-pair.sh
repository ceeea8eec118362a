# The main job: a file from alice to bob and back, then small operations with exits counted.
. /lib/unimux/base.sh
. /lib/unimux/pair.sh

unimux devices && move_file && count_exits
