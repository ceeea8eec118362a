# The file from alice to bob and back, between guests of Unimux's own; then small operations.
. /lib/unimux/base.sh
. /lib/unimux/pair.sh

unimux devices && move_file
