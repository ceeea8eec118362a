# Which life of this machine it is. Sourced.
. /lib/unimux/sleep.sh

# lives_before: prints how often it was started again, as its function says.
lives_before() {
    unimux --json stat > /tmp/stat && field /tmp/stat lives_before
}
