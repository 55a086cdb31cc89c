# Becomes a program: its limits, its environment, its streams. Run by bash in the program's directory.
# Arguments: what its streams' files begin with, what descriptors 3 and 4 are (`-`: nothing, `private`: files
# of its own, else the directory of a channel to a judge), processor seconds, KiB of a file, KiB of data, open
# files, processes, then the command.
streams=$1 private=$2
ulimit -c 0 -t "$3" -f "$4" -d "$5" -n "$6"
ulimit -u "$7" 2>/dev/null
shift 7
exec < "$streams.in"
case $private in
    -) ;;
    private) exec 3< "$streams.private.in" 4> "$streams.private.out" ;;
    # In the order of `judge.sh`.
    *) exec 3< "$private/down" 4> "$private/up" ;;
esac
# Nobody reads them a second time; and a directory holds what its program brought, nothing else.
rm -f "$streams.in" "$streams.private.in" .rewardspec
# What may become root in some templates is not for programs.
command -v setpriv >/dev/null && set -- setpriv --no-new-privs "$@"
exec env -i PATH="$PATH" HOME="$PWD" TMPDIR="$PWD" LANG=C.UTF-8 "$@"
