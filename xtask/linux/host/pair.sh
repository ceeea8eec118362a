# Two tenants with functions of the engine, alice and bob. Sourced.
. /lib/unimux/base.sh
. /lib/unimux/tenants.sh
. /lib/unimux/exits.sh

# agent_up [OPTION…]: starts the agent, which owns the physical function, and waits until it answers.
agent_up() {
    {
        unimux agent "$@" 2>&1
        echo "ended with code $?" | tee /run/agent.ended
    } | sed 's/^/agent| /' &
    until unimux vm list > /dev/null 2>&1; do
        [ -e /run/agent.ended ] && return 1
        sleep 0.1
    done
}

# pair_run JOB [OPTION…]: boots both with this job, counts their exits, waits for their end. OPTIONs are for
# the agent.
pair_run() {
    job=$1
    shift
    # Their memory and their doorbell pages.
    huge_pages $((2 * tenant_memory / 2 + 2)) && agent_up "$@" || return
    for name in alice bob; do
        unimux vm create "$name" --memory "${tenant_memory}M" || return
    done
    exits_on
    # The options are words: no quotes.
    tenant_start alice 1 "unimux.job=$job" $(unimux vm qemu-args alice) || return
    tenant_start bob 2 "unimux.job=$job" $(unimux vm qemu-args bob) || return
    exits_watch alice &
    tenants_wait alice bob
    code=$?
    wait $!
    unimux vm list
    return $code
}
