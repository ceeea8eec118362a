# What Unimux promises a host: EL2, and a region for its physical function that nobody else has.
. /lib/unimux/base.sh

region=$(ls -d /proc/device-tree/reserved-memory/unimux-physical@*) || exit
say "physical function at ${region##*@}: $(tr '\0' ' ' < "$region/compatible")"
[ -f "$region/no-map" ] || exit
if [ -d /proc/device-tree/chosen/unimux ]; then
    say "the scenario can be seen"
    exit 1
fi
exit 0
