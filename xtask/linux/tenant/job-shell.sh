# A shell on the console, for whoever types there, until it exits.
. /lib/unimux/base.sh

hostname "$(argument name)"
say "a shell: try 'unimux devices'; to switch this guest off, type exit"
PS1='\h:\w\$ ' setsid cttyhack sh
