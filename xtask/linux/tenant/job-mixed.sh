# The file goes to carol, who computes its digest, and is read back; then small operations, both ways.
. /lib/unimux/base.sh

unimux devices && unimux send /payload --to carol --verify --operations 1000
