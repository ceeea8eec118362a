# The agent dies after every step of making and ending a virtual machine; the next one leaves neither
# a function nor a page behind.
. /lib/unimux/base.sh
. /lib/unimux/memory.sh

# agent_up [STEP]: starts an agent, which dies after STEP if there is one.
agent_up() {
    UNIMUX_AGENT_DIE_AFTER=${1-} unimux agent 2>&1 | sed 's/^/agent| /' &
    unimux vm list > /dev/null
}

agent_down() {
    killall -9 unimux 2> /dev/null
    wait
}

# nothing_left STEP: whether the next agent finds nothing, or one machine that it can destroy.
nothing_left() {
    agent_up || return
    case $(unimux --json vm list) in
        "[]") ;;
        *) unimux vm destroy victim || return ;;
    esac
    agent_down
    [ "$(free_pages)" -eq "$pages" ] && [ -z "$(ls /run/unimux/vms /dev/hugepages | grep victim)" ]
}

echo 64 > /proc/sys/vm/nr_hugepages
pages=$(free_pages)
for step in remember memory function windows open ready; do
    agent_up $step
    unimux vm create victim --memory 64M > /dev/null 2>&1
    agent_down
    nothing_left || { say "an agent that dies after '$step' leaves something"; exit 1; }
    say "killed after '$step': nothing is left"
done
for step in destroying destroyed removed; do
    agent_up $step
    unimux vm create victim --memory 64M > /dev/null || exit
    unimux vm destroy victim > /dev/null 2>&1
    agent_down
    nothing_left || { say "an agent that dies after '$step' leaves something"; exit 1; }
    say "killed after '$step': nothing is left"
done
