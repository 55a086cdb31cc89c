# Makes a sandbox fit for judges: what they are, as its root, must be out of the reach of programs. Run by
# bash, as root, before anything of a program is there. Says one line:
#   interpreter PATH           of judges
#   missing                    the interpreter is not here
#   refused WHY                it cannot be made fit
# Arguments: a directory to be made for judges, the interpreter, the user that programs are.
PATH=$PATH:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec 2>/dev/null
refuse() { echo "refused $1"; exit; }
mkdir -m 700 -- "$1" || refuse "its root could not make a directory"
# Many templates let their user become root.
command -v setpriv >/dev/null || refuse "it has no \`setpriv\`, without which a program may become root"
for group in $(id -nG -- "$3"); do
    case $group in docker | lxd | disk) refuse "its user may become root by the group \`$group\`" ;; esac
done
[[ -k /tmp && -O /tmp ]] || refuse "in its \`/tmp\` anybody may move what is root's"
interpreter=$(type -P -- "$2") || { echo missing; exit; }

# And let anybody write where interpreters and their libraries are. Nobody may, from now on. (What root may
# not write to either is mounted so.)
installation() {
    local directory
    directory=$(readlink -f -- "${1%/*}")
    echo "${directory%/bin}"
}
for directory in /usr /opt "$(installation "$interpreter")" "$(installation "$(readlink -f -- "$interpreter")")"; do
    case $directory in '' | /root | /home | /home/user | /tmp) refuse "\`$interpreter\` is where programs write" ;; esac
    [[ -w $directory ]] || continue
    mount --bind "$directory" "$directory" && mount -o remount,bind,ro "$directory"
    [[ -w $directory ]] && refuse "\`$directory\` cannot be made read-only"
done

# What listens here acts as root for whoever asks, a code interpreter for one. It is stopped, not ended:
# somebody would start it again. Not the first process, envd (port 49983, with a token of ours) and names.
declare -A listens
while read -r _ address _ state _ _ _ _ _ inode _; do
    [[ $state == 0A && ${address##*:} != C33F && ${address##*:} != 0035 ]] && listens["socket:[$inode]"]=yes
done < <(cat /proc/net/tcp /proc/net/tcp6)
if ((${#listens[@]})); then
    while read -r directory socket; do
        [[ ${listens[$socket]} && $directory != /proc/1/* ]] || continue
        directory=${directory#/proc/}
        kill -STOP "${directory%%/*}"
    done < <(find /proc/[0-9]*/fd -lname 'socket:*' -printf '%h %l\n')
fi
echo "interpreter $interpreter"
