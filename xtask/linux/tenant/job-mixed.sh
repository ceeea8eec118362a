# The file goes to carol, who computes its digest, and is read back; then small operations, both ways. What takes
# longer is slept for, and the function wakes.
. /lib/unimux/base.sh

unimux devices || exit
unimux send /payload --to carol --verify --operations 1000 --sleep 2> /tmp/said
code=$?
cat /tmp/said
[ $code -eq 0 ] && grep -q '^woken [1-9]' /tmp/said
