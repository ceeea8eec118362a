# The main job: a file from alice to bob and back, then small operations with exits counted; then another
# file, for which both sleep instead of polling.
. /lib/unimux/base.sh
. /lib/unimux/pair.sh
. /lib/unimux/sleep.sh

unimux devices && move_file && count_exits && sleep_and_wake
