# Does what the host types, line by line, and says how each ended.
. /lib/unimux/base.sh

stty -echo
say "obeys"
while read -r line; do
    sh -c ". /lib/unimux/base.sh; . /lib/unimux/obey.sh; $line"
    echo "unimux-done: $?"
done
