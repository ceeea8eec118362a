# Guests of Unimux's own measure, beside carol, a bare-metal one; their exits are counted.
. /lib/unimux/base.sh
. /lib/unimux/pair.sh
. /lib/unimux/measure.sh
. /lib/unimux/own-exits.sh

# The first program that uses a function enables its PCI device, which exits.
unimux info > /dev/null || exit

case $(argument name) in
    alice) hammer_and_count && measure bob carol && sleeps_well bob && exits_asleep ;;
    *) unimux serve --once > /dev/null && serve_measure && unimux serve --once --sleep > /dev/null ;;
esac
